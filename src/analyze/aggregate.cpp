#include "analyze/aggregate.h"

#include <algorithm>
#include <cmath>

namespace merganser {
namespace {

std::optional<Zones> mean_zones(std::span<const TensorFigures> figures,
                                std::span<const std::size_t> chosen, std::size_t model) {
  Zones sums;
  double weight = 0;
  for (const std::size_t t : chosen) {
    const ChangeSums& change = figures[t].changes[model];
    if (!change.zones) continue;
    weight += change.squared;
    sums.one += change.squared * change.zones->one;
    sums.two += change.squared * change.zones->two;
    sums.two_three += change.squared * change.zones->two_three;
  }
  if (weight == 0) return std::nullopt;
  return Zones{0, sums.one / weight, sums.two / weight, sums.two_three / weight};
}

PairFigures pair_figures(const PairSums& sums, double squared_a, double squared_b) {
  PairFigures figures;
  const double norms = std::sqrt(squared_a) * std::sqrt(squared_b);
  if (norms > 0) {
    figures.cosine = std::clamp(sums.dot / norms, -1.0, 1.0);
    figures.overlap_top =
        quotient(static_cast<double>(sums.both_top), static_cast<double>(sums.either_top));
  }
  figures.sign_conflict =
      quotient(static_cast<double>(sums.against), static_cast<double>(sums.both));
  figures.sign_conflict_top =
      quotient(static_cast<double>(sums.against_top), static_cast<double>(sums.both_top));
  return figures;
}

void add(PairSums& to, const PairSums& from) {
  to.dot += from.dot;
  to.both += from.both;
  to.against += from.against;
  to.both_top += from.both_top;
  to.against_top += from.against_top;
  to.either_top += from.either_top;
}

bool changed(const TensorFigures& tensor) {
  return std::ranges::any_of(tensor.changes,
                             [](const ChangeSums& change) { return change.squared > 0; });
}

// None where what becomes of a tensor that any fine-tune changed is not known: a sum over the rest
// would look like the loss of all.
std::vector<std::vector<std::optional<double>>> losses_of(std::span<const TensorFigures> figures,
                                                          std::span<const std::size_t> chosen,
                                                          std::size_t models) {
  const std::size_t methods = chosen.empty() ? 0 : figures[chosen[0]].lost.size();
  std::vector<std::vector<std::optional<double>>> losses(
      methods, std::vector<std::optional<double>>(models));
  for (std::size_t m = 0; m < methods; ++m) {
    for (std::size_t i = 0; i < models; ++i) {
      double lost = 0, squared = 0;
      bool known = true;
      for (const std::size_t t : chosen) {
        known = known && (figures[t].lost[m][i] || !changed(figures[t]));
        lost += figures[t].lost[m][i].value_or(0);
        squared += figures[t].changes[i].squared;
      }
      if (known && squared > 0) losses[m][i] = std::sqrt(lost / squared);
    }
  }
  return losses;
}

}  // namespace

std::optional<double> quotient(double a, double b) {
  if (b == 0) return std::nullopt;
  return a / b;
}

std::vector<double> whole_changes(std::span<const TensorFigures> figures, std::size_t models) {
  std::vector<double> whole(models);
  for (const TensorFigures& tensor : figures) {
    for (std::size_t i = 0; i < models; ++i) whole[i] += tensor.changes[i].squared;
  }
  return whole;
}

Aggregate aggregate(const AnalysisInputs& inputs, std::span<const TensorFigures> figures,
                    std::span<const std::size_t> chosen, std::span<const double> whole) {
  const std::size_t models = inputs.models();
  Aggregate total;
  double base = 0;
  std::vector<double> squared(models);
  std::vector<PairSums> pairs(inputs.pairs());
  for (const std::size_t t : chosen) {
    total.elements += inputs.tensors[t].size();
    base += figures[t].base_squared;
    for (std::size_t i = 0; i < models; ++i) squared[i] += figures[t].changes[i].squared;
    for (std::size_t p = 0; p < pairs.size(); ++p) add(pairs[p], figures[t].pairs[p]);
  }
  total.base_norm = std::sqrt(base);
  for (std::size_t i = 0; i < models; ++i) {
    ChangeFigures change;
    change.norm = std::sqrt(squared[i]);
    change.relative = quotient(change.norm, total.base_norm);
    change.share = quotient(squared[i], whole[i]);
    change.zones = mean_zones(figures, chosen, i);
    total.changes.push_back(change);
  }
  std::size_t p = 0;
  for (std::size_t i = 0; i < models; ++i) {
    for (std::size_t j = i + 1; j < models; ++j) {
      total.pairs.push_back(pair_figures(pairs[p++], squared[i], squared[j]));
    }
  }
  total.losses = losses_of(figures, chosen, models);
  return total;
}

}  // namespace merganser
