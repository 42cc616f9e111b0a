#include "analyze/advice_words.h"

#include <fmt/format.h>

#include <cmath>

namespace merganser {

std::string percent(double share) {
  const double value = 100 * share;
  return fmt::format("{:.{}f} %", value, value != 0 && std::abs(value) < 10 ? 1 : 0);
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace merganser
