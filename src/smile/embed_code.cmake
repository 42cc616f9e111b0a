# cmake -DFOLDER=remote_code -DOUTPUT=remote_code.cpp -P embed_code.cmake
# Writes a source file that holds every Python file as raw strings: a compiler need not take one of
# more than 64 KB.
file(GLOB files ${FOLDER}/*.py)
list(SORT files)
set(entries "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(LENGTH "${text}" length)
  set(pieces "")
  set(begin 0)
  while(begin LESS length)
    string(SUBSTRING "${text}" ${begin} 8000 piece)
    string(APPEND pieces "R\"merganser(${piece})merganser\"\n")
    math(EXPR begin "${begin} + 8000")
  endwhile()
  string(APPEND entries "    {\"${name}\", ${pieces}},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from src/smile/remote_code by embed_code.cmake.
#include \"smile/remote_code.h\"

namespace merganser {
namespace {
constexpr RemoteCode files[] = {
${entries}};
}  // namespace

std::span<const RemoteCode> remote_code() { return files; }
}  // namespace merganser
")
