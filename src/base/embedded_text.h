// A file that was compiled into the program (cmake/embed_text.cmake).
#pragma once

#include <string_view>

namespace merganser {

struct EmbeddedText {
  std::string_view name;  // of the file, without its folder
  std::string_view text;
};

}  // namespace merganser
