#include "report/report_page.h"

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

// What is a page's own: a line of "key: value" each; `scripts`: the files that it has beside those
// of all pages.
std::string_view page_lines(ReportPage page) {
  switch (page) {
    case ReportPage::analysis:
      return part("analysis.page");
    case ReportPage::barrier:
      return part("barrier.page");
    case ReportPage::evaluation:
      return part("evaluation.page");
    case ReportPage::routes:
      return part("routes.page");
  }
  throw std::logic_error("a report has no such page");
}

// The value of a key in such lines; nothing where they have none.
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

std::string report_page(ReportPage page, std::string_view json) {
  const std::string_view lines = page_lines(page);
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
    } else if (const auto own = value(lines, inner)) {
      out += inner == "scripts" ? joined_parts(*own) : std::string(*own);
    } else {
      out += part(inner);
    }
    rest.remove_prefix(end + close.size());
  }
}

}  // namespace merganser
