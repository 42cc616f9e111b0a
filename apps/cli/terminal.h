// What the commands share: tables, numbers for people, the progress bar, Ctrl-C.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "merganser/progress.h"

namespace merganser::cli {

std::string bytes_text(std::uint64_t bytes);  // "2.20 GB"
std::string count_text(std::uint64_t count);  // "1.10 B", "22.7 M"
std::string shape_text(const std::vector<std::uint64_t>& shape);
// Control characters of hostile names escaped, and the middle of very long ones left out.
std::string safe(std::string_view text);

// Columns padded to their widest cell (the longest names stand out), two spaces apart; the first
// row is the header. Columns named in `right` are right-aligned.
class Table {
 public:
  explicit Table(std::vector<std::string> header, std::vector<std::size_t> right = {});
  void add(std::vector<std::string> row);
  std::string text() const;
  bool empty() const { return rows_.size() < 2; }

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> right_;
};

// A bar on stderr while it lives, if stderr is a terminal and `shown`; Ctrl-C and SIGTERM stop the
// work instead of the process. One at a time.
class Watch final : public Progress {
 public:
  explicit Watch(bool shown);
  ~Watch() override;
  void begin(std::uint64_t total, ProgressUnit unit) override;
  void advance(std::uint64_t more) override;
  void stage(std::string_view what) override;
  void finish();  // removes the bar; for messages after the work

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::jthread painter_;
};

}  // namespace merganser::cli
