#include "checkpoint/foreign.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "base/error.h"

namespace merganser::safetensors {
namespace {

bool looks_like_text(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](unsigned char c) {
    return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

void refuse_foreign(const InputFile& file, std::span<const std::byte> beginning) {
  const std::string_view bytes(reinterpret_cast<const char*>(beginning.data()), beginning.size());
  const auto refuse = [&](ErrorKind kind, std::string what, std::string_view advice) {
    throw Error(kind, std::move(what)).in_file(file.path().string()).hint(advice);
  };
  const std::string folder = file.path().parent_path().string();

  if (bytes.empty()) {
    refuse(ErrorKind::corrupt, "file is empty", "copy or download it again");
  }
  if (bytes.starts_with("version https://git-lfs.github.com/spec")) {
    refuse(ErrorKind::unsupported, "this is a Git-LFS pointer, not the file it stands for",
           fmt::format("fetch the files: git -C '{}' lfs pull", folder.empty() ? "." : folder));
  }
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") {
    refuse(ErrorKind::unsupported,
           "this is a tar file (PyTorch's archives before version 0.1.10 "
           "are such files)",
           "load it in PyTorch and save it again");
  }
  if (bytes.starts_with("GGUF")) {
    refuse(ErrorKind::unsupported, "this is a GGUF file, not safetensors",
           "merge the safetensors checkpoint it was made from, then convert the result");
  }
  if (bytes.starts_with("\x89HDF")) {
    refuse(ErrorKind::unsupported, "this is an HDF5 file, not safetensors",
           "convert it to safetensors");
  }
  const std::size_t text = bytes.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  const std::string start =
      lower(text == std::string_view::npos ? std::string_view() : bytes.substr(text, 16));
  if (start.starts_with("<!doctype") || start.starts_with("<html")) {
    refuse(ErrorKind::corrupt, "a web page was saved instead of the file",
           "download it again; on the Hugging Face hub use hf download, not the page's address");
  }
  if (std::ranges::all_of(bytes, [](char c) { return c == '\0'; })) {
    refuse(ErrorKind::corrupt, "file begins with zeros: its download is unfinished",
           "download it again");
  }
  if (looks_like_text(bytes)) {
    refuse(ErrorKind::corrupt,
           fmt::format("this is text, not safetensors: '{}'", bytes.substr(0, 80)),
           "download it again");
  }
}

}  // namespace merganser::safetensors
