// Two checkpoints tensor by tensor: how alike, how far apart; with a base, how alike their task
// vectors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "source/source.h"

namespace merganser {

struct TensorDifference {
  std::string name;
  std::string problem;  // set: the tensor cannot be compared
  std::uint64_t elements = 0;
  bool identical = false;                 // same bytes, same dtype
  double cosine = 1;                      // of the tensors, or of their differences from the base
  double max = 0, rms = 0, relative = 0;  // of a - b; relative to |a|
  std::uint64_t non_finite = 0;           // elements of either that are NaN or Inf
};

// A tensor of each side under one name; kMissing where a side does not have it.
struct DiffPair {
  static constexpr std::size_t kMissing = static_cast<std::size_t>(-1);
  std::string name;
  std::size_t a = kMissing, b = kMissing, base = kMissing;
};

// In the order of `pairs`. `base` may be null. Sums in f64 over fixed blocks: the same numbers for
// any number of threads.
std::vector<TensorDifference> compare(const Source& a, const Source& b, const Source* base,
                                      const std::vector<DiffPair>& pairs, unsigned threads,
                                      Progress& progress);

}  // namespace merganser
