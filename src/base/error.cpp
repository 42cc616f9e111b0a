#include "base/error.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace merganser {
namespace {

constexpr std::size_t kLongest = 4000;  // bytes; a name of a megabyte is not for people
constexpr std::size_t kEnd = 1000;      // of them behind what is left out: the hint stands there
constexpr std::size_t kGap = 50;        // and what stands in its place, at most

// Valid UTF-8 of any length, without its middle where it is too long.
std::string shortened(std::string text) {
  if (text.size() <= kLongest) return text;
  const auto boundary = [&](std::size_t at) {
    while ((static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    return at;
  };
  const std::size_t from = boundary(kLongest - kEnd - kGap), to = boundary(text.size() - kEnd);
  return fmt::format("{} [{} bytes left out] {}", std::string_view(text).substr(0, from), to - from,
                     std::string_view(text).substr(to));
}

}  // namespace

Error::Error(ErrorKind kind, std::string what) : kind_(kind), message_(std::move(what)) {
  compose();
}

Error& Error::in_file(std::string_view path) {
  if (file_.empty()) file_ = path;
  compose();
  return *this;
}

Error& Error::in_tensor(std::string_view name) {
  if (tensor_.empty()) tensor_ = name;
  compose();
  return *this;
}

Error& Error::at(std::size_t line, std::size_t column) {
  line_ = line;
  column_ = column;
  compose();
  return *this;
}

Error& Error::hint(std::string_view advice) {
  hint_ = advice;
  compose();
  return *this;
}

void Error::compose() {
  std::string where = file_;
  if (line_ != 0) where += fmt::format("{}{}", where.empty() ? "line " : ":", line_);
  if (column_ != 0) where += fmt::format(":{}", column_);
  if (!where.empty()) where += ": ";
  if (!tensor_.empty()) where += fmt::format("tensor '{}': ", tensor_);
  text_ = shortened(printable(where + message_ + (hint_.empty() ? "" : "; " + hint_)));
}

std::string_view name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::recipe:
      return "recipe";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::mismatch:
      return "mismatch";
    case ErrorKind::io:
      return "io";
    case ErrorKind::interrupted:
      return "interrupted";
  }
  return "error";
}

}  // namespace merganser
