// The journal of a run: which tensors of an unfinished output are whole and on the disk, so that a
// later run goes on from there. One JSON object and its hash a line; the first line says what is
// merged. Lines after a damaged one do not count.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file_append.h"
#include "execute/job_record.h"
#include "plan/plan.h"
#include "plan/run_identity.h"

namespace merganser {

// Writes the journal beside the run. A record is written once the tensor's bytes are durable; a
// thread of its own waits for the disk, so that the workers do not.
class Journal {
 public:
  using Sync = std::function<void(const std::vector<std::size_t>& jobs)>;

  // Goes on behind `valid_bytes` of an existing file, or begins a new one with the identity.
  // `sync` makes the outputs of these jobs durable.
  Journal(const std::filesystem::path& path, const RunIdentity& identity, const Plan& plan,
          std::uint64_t valid_bytes, Sync sync);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  void add(const JobRecord& record);  // thread-safe, does not wait
  // Waits until all records are written. Throws what `sync` threw; a journal that cannot be written
  // itself ends silently: the output does not need it.
  void close();
  std::size_t written() const { return written_; }  // records, by this run

 private:
  bool append(std::string_view text);
  void work();

  const Plan& plan_;
  Sync sync_;
  std::optional<AppendFile> file_;  // none: it cannot be written
  std::atomic<std::size_t> written_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<JobRecord> waiting_;
  bool closing_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

struct JournalContent {
  std::vector<JobRecord> records;  // each job once
  std::uint64_t valid_bytes = 0;
};

// Throws Error(mismatch) naming what differs from `identity`: another merge, or a changed input;
// Error(corrupt) for a file that is no journal.
JournalContent read_journal(const std::filesystem::path& path, const RunIdentity& identity,
                            const Plan& plan);
// The same of a text. `name` is for errors.
JournalContent parse_journal(std::string_view text, const RunIdentity& identity, const Plan& plan,
                             const std::string& name);

}  // namespace merganser
