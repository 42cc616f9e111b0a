#include "report/page_text.h"

#include <fmt/format.h>

#include <stdexcept>

#include "report/page_parts.h"

namespace merganser {
namespace {

constexpr std::string_view open = "{{", close = "}}";

// No "<" is left, so the text can neither end the script element that it stands in nor begin a
// comment in it. JSON has "<" in strings only, where the escape means the same.
std::string escaped(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

// A part that is not there is our own bug, found by the first test that runs.
std::string_view part(std::string_view name) {
  for (const EmbeddedText& file : page_parts()) {
    if (file.name == name) return file.text;
  }
  throw std::logic_error(fmt::format("the report's page names '{}', which is no part of it", name));
}

}  // namespace

std::string page_text(std::string_view name, std::string_view json) {
  std::string_view rest = part(name);
  std::string out;
  while (true) {
    const std::size_t begin = rest.find(open);
    out += rest.substr(0, begin);
    if (begin == std::string_view::npos) return out;
    const std::size_t end = rest.find(close, begin);
    const std::string_view inner = rest.substr(begin + open.size(), end - begin - open.size());
    if (inner == "document") {
      out += escaped(json);
    } else {
      out += part(inner);
    }
    rest.remove_prefix(end + close.size());
  }
}

}  // namespace merganser
