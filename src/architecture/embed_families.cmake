# cmake -DFOLDER=families -DOUTPUT=family_texts.cpp -P embed_families.cmake
# Writes a source file that holds every family's JSON as a raw string.
file(GLOB files ${FOLDER}/*.json)
list(SORT files)
set(entries "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"merganser(${text})merganser\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from src/architecture/families by embed_families.cmake.
#include \"architecture/family_texts.h\"

namespace merganser {
namespace {
constexpr FamilyText texts[] = {
${entries}};
}  // namespace

std::span<const FamilyText> family_texts() { return texts; }
}  // namespace merganser
")
