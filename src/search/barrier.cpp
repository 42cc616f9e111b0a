#include "search/barrier.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace merganser::rt {

Barriers barriers_of(std::span<const double> lambdas, std::span<const double> values) {
  assert(lambdas.size() == values.size() && values.size() >= 3);
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  const double first = values.front(), last = values.back();
  Barriers found{{kNone, 0}, {kNone, 0}};
  const auto raise = [](Peak& peak, double height, double lambda) {
    if (height > peak.height) peak = {height, lambda};
  };
  for (std::size_t i = 1; i + 1 < values.size(); ++i) {
    const double lambda = lambdas[i];
    raise(found.above_mean, values[i] - (first + last) / 2, lambda);
    raise(found.above_line, values[i] - ((1 - lambda) * first + lambda * last), lambda);
  }
  return found;
}

double best_of(std::span<const double> lambdas, std::span<const double> values) {
  return lambdas[static_cast<std::size_t>(std::ranges::min_element(values) - values.begin())];
}

}  // namespace merganser::rt
