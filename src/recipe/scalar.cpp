#include "recipe/scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace merganser {
namespace {

std::size_t count_digits(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789");
  return end == std::string_view::npos ? text.size() : end;
}

// digits [. digits] [e [sign] digits], with a digit before or after the point.
bool is_decimal(std::string_view text) {
  const std::size_t whole = count_digits(text);
  text.remove_prefix(whole);
  std::size_t fraction = 0;
  if (text.starts_with('.')) {
    fraction = count_digits(text.substr(1));
    text.remove_prefix(1 + fraction);
  }
  if (whole + fraction == 0) return false;
  if (text.empty()) return true;
  if (text[0] != 'e' && text[0] != 'E') return false;
  text.remove_prefix(1);
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && count_digits(text) == text.size();
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

}  // namespace

std::optional<double> to_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  if (is_one_of(text, {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"})) return nan;
  if (!is_decimal(text)) return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc{}) return nan;
  return negative ? -value : value;
}

std::optional<bool> to_flag(std::string_view text) {
  if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) {
    return false;
  }
  return std::nullopt;
}

std::optional<Value> as_type(const Value& value, ParameterType type) {
  const auto* number = std::get_if<double>(&value);
  const auto* flag = std::get_if<bool>(&value);
  const auto* text = std::get_if<std::string>(&value);
  switch (type) {
    case ParameterType::number: {
      if (flag) return Value(*flag ? 1.0 : 0.0);
      const std::optional<double> x = number ? *number : to_number(*text);
      if (!x || !std::isfinite(*x)) return std::nullopt;
      return Value(*x);
    }
    case ParameterType::flag: {
      if (flag) return value;
      const std::optional<double> x = number ? *number : to_number(*text);
      if (x && (*x == 0 || *x == 1)) return Value(*x == 1);
      if (const auto word = text ? to_flag(*text) : std::nullopt) return Value(*word);
      return std::nullopt;
    }
    case ParameterType::choice:
      // A flag's own spelling is lost (`no` or `off`?), so it cannot stand for a word.
      if (flag) return std::nullopt;
      return Value(to_string(value));
  }
  return std::nullopt;
}

}  // namespace merganser
