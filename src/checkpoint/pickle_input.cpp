#include "checkpoint/pickle_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/error.h"

namespace merganser::pickle {
namespace {

constexpr std::uint64_t kWindow = std::uint64_t{64} << 10;  // bytes
constexpr std::uint64_t kLongestLine = 4096;

}  // namespace

Input::Input(const ByteSource& file, std::uint64_t begin, std::uint64_t end)
    : file_(file),
      start_(begin),
      end_(std::clamp(end, begin, std::max(begin, file.size))),
      begin_(begin) {}

void Input::fill(std::uint64_t size) {
  const std::uint64_t left = end_ - position();
  if (size > left || size > kLargest - std::min(taken(), kLargest)) {
    if (size <= left) {
      throw Error(ErrorKind::unsupported,
                  fmt::format("the pickle has more than {} bytes", kLargest))
          .in_file(file_.name);
    }
    throw Error(ErrorKind::corrupt,
                fmt::format("pickle, byte {}: it needs {} more bytes, {} are there", position(),
                            size, left))
        .in_file(file_.name)
        .hint("it is cut short; copy or download it again");
  }
  begin_ = position();
  at_ = 0;
  window_.resize(static_cast<std::size_t>(std::min(left, std::max(size, kWindow))));
  file_.read(begin_, std::as_writable_bytes(std::span(window_)));
}

std::string_view Input::take(std::uint64_t size) {
  if (size > window_.size() - at_) fill(size);
  const std::size_t begin = at_;
  at_ += static_cast<std::size_t>(size);
  return std::string_view(window_).substr(begin, static_cast<std::size_t>(size));
}

std::string_view Input::line() {
  for (const bool again : {false, true}) {
    const std::string_view rest = std::string_view(window_).substr(at_);
    const std::size_t end = rest.substr(0, kLongestLine + 1).find('\n');
    if (end != rest.npos) {
      at_ += end + 1;
      return rest.substr(0, end);
    }
    if (again || rest.size() > kLongestLine) break;
    fill(std::min(end_ - position(), kLongestLine + 1));
  }
  throw Error(
      ErrorKind::corrupt,
      fmt::format("pickle, byte {}: a line does not end within {} bytes", position(), kLongestLine))
      .in_file(file_.name);
}

}  // namespace merganser::pickle
