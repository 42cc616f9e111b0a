#include "adapter/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"

namespace merganser {
namespace {

constexpr std::size_t kMaxRegex = 200;  // characters
constexpr std::size_t kMaxRegexes = 100;
constexpr std::size_t kMaxName = 512;

bool is_plain(std::string_view key) {
  return std::ranges::all_of(key, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  });
}

// libstdc++'s other matcher takes time exponential in the name's length for (a+)+$.
constexpr std::regex::flag_type flags() {
#ifdef __GLIBCXX__
  return std::regex::ECMAScript | std::regex::optimize | std::regex_constants::__polynomial;
#else
  return std::regex::ECMAScript | std::regex::optimize;
#endif
}

// The key is all of the name, or its end behind a dot.
bool matches_plain(std::string_view key, std::string_view name) {
  if (name.size() < key.size()) return false;
  const std::size_t begin = name.size() - key.size();
  if (begin > 0 && name[begin - 1] != '.') return false;
  for (std::size_t i = key.size(); i-- > 0;) {
    if (key[i] != name[begin + i] && key[i] != '.') return false;
  }
  return true;
}

}  // namespace

void NamePatterns::add(const std::string& key) {
  Pattern pattern{key, std::nullopt};
  if (!is_plain(key)) {
    if (key.size() > kMaxRegex || ++regexes_ > kMaxRegexes) {
      throw Error(ErrorKind::unsupported,
                  fmt::format("more than {} regular expressions, or one of more than {} characters",
                              kMaxRegexes, kMaxRegex))
          .hint("write out the modules' names");
    }
    regex_characters_ += key.size();
    // Counted repetitions multiply the size of the compiled expression.
    if (key.find('{') != std::string::npos) {
      throw Error(ErrorKind::unsupported,
                  fmt::format("the regular expression '{}' counts repetitions", key))
          .hint("write out the modules' names");
    }
    try {
      pattern.regex.emplace(fmt::format(R"((?:.*\.)?(?:{}))", key), flags());
    } catch (const std::regex_error& error) {
      throw Error(
          ErrorKind::unsupported,
          fmt::format("'{}' is not a regular expression that works here: {}", key, error.what()))
          .hint("write out the modules' names");
    }
  }
  patterns_.push_back(std::move(pattern));
}

std::optional<std::size_t> NamePatterns::find(std::string_view name) const {
  if (regexes_ > 0 && name.size() > kMaxName) {
    throw Error(
        ErrorKind::unsupported,
        fmt::format("a name of {} characters is too long for a regular expression", name.size()));
  }
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    const Pattern& pattern = patterns_[i];
    const bool found = pattern.regex ? std::regex_match(name.begin(), name.end(), *pattern.regex)
                                     : matches_plain(pattern.text, name);
    if (found) return i;
  }
  return std::nullopt;
}

}  // namespace merganser
