#include "analyze/median_rank.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace merganser {
namespace {

constexpr std::uint64_t kBeyond = std::numeric_limits<std::uint64_t>::max();

std::uint64_t lower_median(std::vector<std::uint64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

MedianRank median_rank_90(const Analysis& analysis, std::size_t model) {
  std::vector<std::uint64_t> ranks, sizes;
  MedianRank found;
  for (std::size_t t = 0; t < analysis.inputs.tensors.size(); ++t) {
    const AnalysedTensor& tensor = analysis.inputs.tensors[t];
    const auto& spectrum = analysis.figures[t].changes[model].spectrum;
    if (tensor.part != Part::linear || !spectrum) continue;
    const auto rank = spectrum->rank_90();
    found.beyond += !rank;
    ranks.push_back(rank ? *rank : kBeyond);
    sizes.push_back(std::min(tensor.shape[0], tensor.shape[1]));
  }
  found.matrices = ranks.size();
  if (ranks.empty()) return found;
  found.full_rank = lower_median(std::move(sizes));
  if (const std::uint64_t middle = lower_median(std::move(ranks)); middle != kBeyond) {
    found.rank = static_cast<std::size_t>(middle);
  }
  return found;
}

}  // namespace merganser
