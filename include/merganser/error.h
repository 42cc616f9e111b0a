// The one exception type of the library: what went wrong, where, and what to do about it.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>

#pragma GCC visibility push(default)  // what stands here is what libmerganser.so exports
namespace merganser {

enum class ErrorKind {
  usage,        // the request itself: flags, paths that overlap, existing target
  recipe,       // the recipe's text: unknown key, wrong type, out of range
  not_found,    // a file, tensor or model that is named but absent
  corrupt,      // a file that breaks its format
  unsupported,  // understood, but not something this program merges
  mismatch,     // inputs that do not fit each other
  io,           // the operating system refused: permissions, full disk
  interrupted,  // the user asked to stop
};

// Thrown for whatever ends the job. Asserts are for our own bugs, never for what a user or a file
// can cause. The setters return *this so that a throw site reads as one sentence:
//   throw Error(ErrorKind::corrupt, "header is cut short").in_file(path).hint("download it again");
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string what);

  Error& in_file(std::string_view path);
  Error& in_tensor(std::string_view name);
  Error& at(std::size_t line, std::size_t column = 0);  // both count from 1; 0 = unknown
  Error& hint(std::string_view advice);

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& file() const noexcept { return file_; }
  const std::string& tensor() const noexcept { return tensor_; }
  const std::string& advice() const noexcept { return hint_; }
  std::size_t line() const noexcept { return line_; }
  std::size_t column() const noexcept { return column_; }

  // One line: "file:line:column: tensor 'x': message (hint)". Control characters of hostile names
  // are escaped, so the line stays one line.
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  void compose();

  ErrorKind kind_;
  std::string message_, file_, tensor_, hint_, text_;
  std::size_t line_ = 0, column_ = 0;
};

std::string_view name_of(ErrorKind kind);

}  // namespace merganser
#pragma GCC visibility pop
