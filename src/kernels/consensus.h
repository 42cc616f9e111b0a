// Sign election (TIES): at each position the models vote with their deltas, and those that disagree
// with the majority's sign are left out of the sum. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace merganser {

struct ConsensusRule {
  bool by_count = false;         // vote by sign alone, not by value
  bool positive_on_zero = true;  // the majority of a tied vote
};

// d[i][j]: model i's weighted delta at position j (models x n). At each j the majority is the sign
// of the sum over i, left to right, in T, of d (by_count: of the sign of d); a NaN sum counts as
// negative. A delta agrees if it is not zero and has the majority's sign; a NaN never agrees.
//   mean false: out[j] = sum of the agreeing deltas, left to right
//   mean true:  out[j] = that / (sum of w[i] over agreeing i; 1 where that sum is exactly 0)
// w is read for the mean only. `out` may be one of d.
template <class T>
void consensus(std::span<T* const> d, std::span<const T> w, ConsensusRule rule, bool mean, T* out,
               std::size_t n);

// The vote is on d as it is, by mass, a tie positive; w[i] d[i] is what is added up:
//   out[j] = sum of w[i] d[i][j] over agreeing i / max(sum of their w[i], least)
// least > 0. `out` may be one of d.
template <class T>
void weighted_consensus(std::span<T* const> d, std::span<const T> w, T least, T* out,
                        std::size_t n);

struct SignCounts {
  std::uint64_t positive = 0, negative = 0;
};

// Adds how many positions have a vote above and below zero: for a rule that gives tied votes the
// sign of the whole model.
template <class T>
void count_signs(std::span<T* const> d, bool by_count, SignCounts& counts, std::size_t n);

}  // namespace merganser
