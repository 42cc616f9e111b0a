#include "evaluate/gains.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace merganser::rt {
namespace {

constexpr int kResamples = 1000;
constexpr std::uint64_t kSeed = 2408'10174;

// A row's share of the metric, and what it weighs: the metric is sum(value weight) / sum(weight),
// of perplexity its exponential.
struct Rows {
  const double* values;
  const double* weights;
  std::int64_t count;
};

Rows rows_of(const Scores& scores, Metric metric) {
  const at::Tensor& values = metric == Metric::accuracy ? scores.correct : scores.loss;
  return {values.data_ptr<double>(), scores.targets.data_ptr<double>(), values.numel()};
}

double value_of(double sum, double weight, Metric metric) {
  const double mean = sum / weight;
  return metric == Metric::perplexity ? std::exp(mean) : mean;
}

std::optional<double> ratio(double x, double base, double top) {
  if (top == base) return std::nullopt;
  return (x - base) / (top - base) + 0.0;  // never -0
}

}  // namespace

std::optional<double> gain_value(const Scores& x, const Scores& base, const Scores& top,
                                 Metric metric) {
  return ratio(estimate(x, metric).value, estimate(base, metric).value,
               estimate(top, metric).value);
}

bool better(const Scores& a, const Scores& b, Metric metric) {
  const double x = estimate(a, metric).value, y = estimate(b, metric).value;
  return smaller_is_better(metric) ? x < y : x > y;
}

std::optional<Estimate> gain(const Scores& x, const Scores& base, const Scores& top,
                             Metric metric) {
  const auto value = gain_value(x, base, top, metric);
  if (!value) return std::nullopt;
  const std::array rows = {rows_of(x, metric), rows_of(base, metric), rows_of(top, metric)};
  const auto count = static_cast<std::uint64_t>(rows[0].count);
  std::vector<double> found;
  for (int resample = 0; resample < kResamples; ++resample) {
    std::array<double, 3> sums{};
    double weight = 0;
    for (std::uint64_t i = 0; i < count; i += 4) {
      const auto words =
          philox({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(resample), 0, 0},
                 {static_cast<std::uint32_t>(kSeed), 0});
      for (std::uint64_t j = i; j < std::min(i + 4, count); ++j) {
        const std::uint64_t row = (words[j - i] * count) >> 32;
        for (std::size_t m = 0; m < rows.size(); ++m) {
          sums[m] += rows[m].values[row] * rows[m].weights[row];
        }
        weight += rows[0].weights[row];
      }
    }
    if (const auto each =
            ratio(value_of(sums[0], weight, metric), value_of(sums[1], weight, metric),
                  value_of(sums[2], weight, metric))) {
      found.push_back(*each);
    }
  }
  if (found.empty()) return Estimate{*value, *value, *value};
  std::sort(found.begin(), found.end());
  const auto at = [&](double share) {
    return found[static_cast<std::size_t>(share * static_cast<double>(found.size() - 1))];
  };
  return Estimate{*value, at(0.025), at(0.975)};
}

}  // namespace merganser::rt
