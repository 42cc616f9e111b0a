#include "report/page_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
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

// The value of a key in the lines of a .page file; nothing where it has none.
std::optional<std::string_view> value(std::string_view lines, std::string_view key) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const std::size_t colon = line.find(": ");
    if (line.substr(0, colon) == key) return line.substr(colon + 2);
  }
  return {};
}

std::string joined_parts(std::string_view names) {
  std::string out;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    out += part(name);
  }
  return out;
}

}  // namespace

std::string page_text(std::string_view name, std::string_view json) {
  const std::string_view page = part(std::string(name) + ".page");
  std::string_view rest = part("page.html");
  std::string out;
  while (true) {
    const std::size_t begin = rest.find(open);
    out += rest.substr(0, begin);
    if (begin == std::string_view::npos) return out;
    const std::size_t end = rest.find(close, begin);
    const std::string_view inner = rest.substr(begin + open.size(), end - begin - open.size());
    if (inner == "document") {
      out += escaped(json);
    } else if (const auto own = value(page, inner)) {
      out += inner == "scripts" ? joined_parts(*own) : std::string(*own);
    } else {
      out += part(inner);
    }
    rest.remove_prefix(end + close.size());
  }
}

}  // namespace merganser
