// The files of families/, compiled into the program (embed_families.cmake writes the source).
#pragma once

#include <span>
#include <string_view>

namespace merganser {

struct FamilyText {
  std::string_view file;  // without ".json"
  std::string_view json;
};
std::span<const FamilyText> family_texts();

}  // namespace merganser
