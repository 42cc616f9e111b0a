// The bytes that a pickle is read from, with every length checked before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "checkpoint/byte_source.h"

namespace merganser::pickle {

inline constexpr std::uint64_t kLargest = std::uint64_t{256} << 20;  // bytes that are read

// The bytes of one or more pickles, through a window: of a large file only what they hold is read.
class Input {
 public:
  // From `begin` to at most `end`; `file` must outlive this.
  Input(const ByteSource& file, std::uint64_t begin, std::uint64_t end);

  std::uint64_t position() const { return begin_ + at_; }  // in the file, of the next byte
  std::uint64_t taken() const { return position() - start_; }
  // The next bytes; valid until the next call. Error(corrupt) if there are fewer, before anything
  // is allocated for them.
  std::string_view take(std::uint64_t size);
  std::string_view line();  // up to a line feed, without it; of at most 4096 bytes
  const std::string& name() const { return file_.name; }

 private:
  void fill(std::uint64_t size);

  const ByteSource& file_;
  std::uint64_t start_, end_;
  std::uint64_t begin_;  // of the window, in the file
  std::string window_;
  std::size_t at_ = 0;  // in the window
};

}  // namespace merganser::pickle
