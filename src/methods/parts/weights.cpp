#include "methods/parts/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace merganser::methods {
namespace {

constexpr double kTinySum = 1e-12;

double sum(const std::vector<double>& weights) {
  return std::accumulate(weights.begin(), weights.end(), 0.0);
}

}  // namespace

std::vector<double> weights_of(const Settings& settings, std::string_view flag) {
  std::vector<double> weights = settings.numbers("weight");
  if (!settings.flag(flag)) return weights;
  const double divisor = sum(weights);
  for (double& w : weights) w /= divisor;
  return weights;
}

Outline weighted_outline(std::string_view method, const Settings& settings, std::string_view flag,
                         unsigned sweeps) {
  const std::vector<double> weights = settings.numbers("weight");
  const bool normalize = settings.flag(flag);
  if (normalize && std::abs(sum(weights)) < kTinySum) {
    throw Error(ErrorKind::recipe, fmt::format("{}: the weights sum to {}", method, sum(weights)))
        .hint(fmt::format("give weights with another sum, or {}: false", flag));
  }
  const auto nonzero = [](double w) { return w != 0; };
  const auto first = std::find_if(weights.begin(), weights.end(), nonzero);
  if (std::count_if(weights.begin(), weights.end(), nonzero) == 1 && (normalize || *first == 1)) {
    return Outline::copy_of(static_cast<std::size_t>(first - weights.begin()), weights.size(),
                            "only one model has a weight: copied");
  }
  Outline outline = Outline::of_all(weights.size(), sweeps);
  std::transform(weights.begin(), weights.end(), outline.reads.begin(), nonzero);
  return outline;
}

}  // namespace merganser::methods
