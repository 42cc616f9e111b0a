// The keys of rank_pattern and alpha_pattern: PEFT matches each as the regular expression
// (.*\.)?(KEY)$ from the beginning of a module's name, and the first that matches counts.
#pragma once

#include <cstddef>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace merganser {

class NamePatterns {
 public:
  // Most keys are names and dots, of which a dot matches any character, and are compared in time
  // linear in their length. Others are regular expressions in the syntax that Python's and
  // ECMAScript's share, at most 200 characters long and 100 in number, matched without
  // backtracking. Throws Error(unsupported) for one beyond these limits, or that does not compile.
  void add(const std::string& key);

  std::size_t size() const { return patterns_.size(); }
  // Of find(), in comparisons of a plain key.
  std::size_t cost() const { return patterns_.size() + kRegexCost * regex_characters_; }
  // Index of the first that matches. Throws Error(unsupported) for a name of more than 512
  // characters, if there are regular expressions.
  std::optional<std::size_t> find(std::string_view name) const;

 private:
  struct Pattern {
    std::string text;
    std::optional<std::regex> regex;  // none: names and dots
  };

  // A regular expression's states, about as many as its characters, times a name's characters.
  static constexpr std::size_t kRegexCost = 400;

  std::vector<Pattern> patterns_;
  std::size_t regexes_ = 0, regex_characters_ = 0;
};

}  // namespace merganser
