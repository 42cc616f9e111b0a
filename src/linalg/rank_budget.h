// Ranks for several matrices that share a budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace merganser {

struct ModuleSpectrum {
  std::span<const double> s;  // descending; those that may be kept
  std::uint64_t cost = 1;     // of each term: (m + n) elements' bytes
  double weight = 1;          // of its squares in the sum
};
// Ranks whose total cost is at most `budget`, so that the weighted sum of the squares of all values
// left out is as small as can be, up to the last term that does not fit: terms are taken by weight
// s^2 / cost.
// Equal ones by module, then by index.
std::vector<std::size_t> spread_budget(std::span<const ModuleSpectrum> modules,
                                       std::uint64_t budget);

}  // namespace merganser
