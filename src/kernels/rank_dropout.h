// Random dropping by magnitude (DELLA): of a row of n entries, the one of magnitude rank r (rank.h)
// is kept with probability p(r), by keeps() of base/random.h, bit for bit as if the row had been
// sorted. It is not: 16 random bits decide nearly every entry as soon as its rank is known to lie
// in a range, which a histogram of the magnitudes tells; for the others alone ranks are worked out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "kernels/rank.h"

namespace merganser {

// p(r) = low + (r - 1) step in f64, each operation rounded; 0 < p < 1, step >= 0.
struct RankProbability {
  double low = 0, step = 0;

  // From density - epsilon for rank 1 to density + epsilon for rank n; density for a row of one.
  RankProbability(double density, double epsilon, std::size_t n);

  double at(std::uint64_t rank) const { return low + static_cast<double>(rank - 1) * step; }
  // floor(2^32 p(rank) + 1/2): what keeps() takes.
  std::uint64_t threshold(std::uint64_t rank) const;
};

// A thread's memory from one row to the next.
template <class T>
struct RankDropoutScratch {
  std::vector<std::uint64_t> kept, undecided;  // a bit an entry
  std::vector<std::uint8_t> bins;              // of each entry
  std::vector<std::uint32_t> ambiguous, next, chain;
  std::vector<std::uint32_t> members, ranks;  // of a bin
  std::vector<T> magnitudes;
  RankScratch<T> sort;
};

// Bit j % 8 of byte j / 8 is set where x[j] is kept; where x[j] is zero it may be either. draws[j]
// is draw16() of element first + j; draws[n .. n + 63] may be read. Bits past n are not defined.
// Writes (n + 7) / 8 bytes; n < 2^31. Thread-safe.
template <class T>
void keep_by_rank(std::uint8_t* bits, const T* x, std::size_t n, const RankProbability& p,
                  const std::uint16_t* draws, RandomStream stream, std::uint64_t first,
                  RankDropoutScratch<T>& scratch);

}  // namespace merganser
