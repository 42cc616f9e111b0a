// Of what rank a fine-tune's change is, in one number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "analyze/analysis.h"

namespace merganser {

// Over the matrices of the linear part that a fine-tune changed and whose spectrum is known.
struct MedianRank {
  std::size_t matrices = 0;
  std::size_t beyond = 0;  // of them: more triples than were looked at hold 90 %
  // Median of the fewest triples with 90 % of a matrix's |D|^2; of an even number the lower of the
  // two in the middle, so that half of the matrices need no more. None: no matrix, or the median
  // lies beyond what was looked at.
  std::optional<std::size_t> rank;
  std::uint64_t full_rank = 0;  // the same median of min(m, n)

  bool more() const { return matrices > 0 && !rank; }
};

MedianRank median_rank_90(const Analysis& analysis, std::size_t model);

}  // namespace merganser
