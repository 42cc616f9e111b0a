#include "base/error.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace merganser {

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
  text_ = printable(where + message_ + (hint_.empty() ? "" : "; " + hint_));
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
