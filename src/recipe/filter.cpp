// Filters on tensor names: MergeKit's substrings, and merganser's globs and regular expressions.
#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "recipe/setting.h"

namespace merganser {
namespace {

constexpr std::size_t kMaxPattern = 1000;
constexpr std::size_t kMaxName = 4096;

// libstdc++'s default matcher backtracks: (a+)+$ takes time exponential in the name's length, and
// stack in proportion to it. Its other matcher does neither; it refuses back-references.
constexpr std::regex::flag_type flags() {
#ifdef __GLIBCXX__
  return std::regex::ECMAScript | std::regex::optimize | std::regex_constants::__polynomial;
#else
  return std::regex::ECMAScript | std::regex::optimize;
#endif
}

}  // namespace

Filter Filter::make(Kind kind, std::string pattern) {
  Filter filter;
  filter.kind = kind;
  if (kind != Kind::substring && pattern.size() > kMaxPattern) {
    throw Error(ErrorKind::recipe, fmt::format("a pattern of {} characters; the limit is {}",
                                               pattern.size(), kMaxPattern));
  }
  if (kind == Kind::regex) {
    try {
      filter.compiled = std::make_shared<const std::regex>(pattern, flags());
    } catch (const std::regex_error& error) {
      const bool back_reference = error.code() == std::regex_constants::error_complexity;
      throw Error(ErrorKind::recipe,
                  fmt::format("'{}' is not a regular expression that works here: {}", pattern,
                              back_reference ? "back-references are not supported" : error.what()))
          .hint("the syntax is JavaScript's (ECMAScript): self_attn\\.[qk]_proj");
    }
  }
  filter.pattern = std::move(pattern);
  return filter;
}

bool Filter::matches(std::string_view name) const {
  if (kind == Kind::substring) {
    return pattern == "*" || name.find(pattern) != std::string_view::npos;
  }
  if (kind == Kind::glob) return glob_match(pattern, name);
  if (name.size() > kMaxName) {
    throw Error(ErrorKind::unsupported,
                fmt::format("a tensor name of {} characters is too long for a regular expression",
                            name.size()))
        .hint("use a glob or a substring as the filter");
  }
  // A Filter written by hand rather than by make() is compiled here, once for each call.
  if (!compiled) return make(kind, pattern).matches(name);
  return std::regex_search(name.begin(), name.end(), *compiled);
}

}  // namespace merganser
