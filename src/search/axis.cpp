#include "search/axis.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "recipe/scalar.h"

namespace merganser::rt {
namespace {

constexpr std::size_t kMostValues = 10'000;  // of one parameter

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Axis read() const {
    const std::size_t sign = text_.find('=');
    if (sign == std::string_view::npos) refuse("there is no '='");
    Axis axis;
    axis.path = parse_recipe_path(trimmed(text_.substr(0, sign)));
    const std::string_view values = trimmed(text_.substr(sign + 1));
    if (values.starts_with('[') && values.ends_with(']')) {
      axis.interval = interval(values.substr(1, values.size() - 2));
    } else if (values.find(':') != std::string_view::npos) {
      axis.values = range(values);
    } else {
      axis.values = list(values);
    }
    return axis;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorKind::usage, fmt::format("--vary '{}': {}", text_, what))
        .hint("PATH=0.1:1.0:0.1, PATH=0.3,0.5 or, for golden section, PATH=[0.2, 1.5]");
  }

  double number(std::string_view text) const {
    const auto value = to_number(trimmed(text));
    if (!value || !std::isfinite(*value)) {
      refuse(fmt::format("'{}' is not a number", trimmed(text)));
    }
    return *value;
  }

  std::array<double, 2> interval(std::string_view text) const {
    const auto ends = split(text, ',');
    if (ends.size() != 2) refuse("an interval has two ends");
    const std::array<double, 2> found = {number(ends[0]), number(ends[1])};
    if (!(found[0] < found[1])) refuse("the interval's first end is not below its second");
    return found;
  }

  std::vector<std::string> range(std::string_view text) const {
    const auto parts = split(text, ':');
    if (parts.size() != 3) refuse("a range is FROM:TO:STEP");
    const double from = number(parts[0]), to = number(parts[1]), step = number(parts[2]);
    const double count = std::floor((to - from) / step + 1e-9) + 1;
    if (step == 0 || !(count >= 1)) refuse("the range holds no value");
    if (count > static_cast<double>(kMostValues)) {
      refuse(fmt::format("a range of more than {} values", kMostValues));
    }
    std::vector<std::string> values;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      values.push_back(number_text(from + static_cast<double>(i) * step));
    }
    return values;
  }

  std::vector<std::string> list(std::string_view text) const {
    std::vector<std::string> values;
    for (const std::string_view part : split(text, ',')) {
      const std::string_view value = trimmed(part);
      if (value.empty()) refuse("a value is missing");
      for (const std::string& known : values) {
        if (known == value) refuse(fmt::format("the value {} is there twice", value));
      }
      values.emplace_back(value);
    }
    return values;
  }

  std::string_view text_;
};

}  // namespace

Axis parse_axis(std::string_view text) { return Reader(text).read(); }

std::string number_text(double value) {
  // Of a step such as 0.1, the roundings of its multiples are beyond this digit.
  return fmt::format("{:.6g}", std::abs(value) < 1e-12 ? 0.0 : value);
}

}  // namespace merganser::rt
