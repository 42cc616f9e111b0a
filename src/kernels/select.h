// Selection by magnitude: the k largest |x| of a tensor or a model without sorting it. A bracket
// around the wanted rank (from a sample) leaves few elements inside, which are kept; the rest is
// counted. |x| is ordered as the unsigned number its bits make: NaN sorts above infinity, and no
// element compares false with everything. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace merganser {

template <class T>
struct BracketCounts {
  std::uint64_t above = 0, at_high = 0, at_low = 0;
};

// Adds the counts of |x| > high, == high and == low, and appends |x| of those strictly between to
// `inside`, in index order. 0 <= low <= high; where they are equal, equality counts as at_high
// only.
template <class T>
void count_bracket(const T* x, std::size_t n, T low, T high, BracketCounts<T>& counts,
                   std::vector<T>& inside);

// Keeps |x| > threshold and the first `ties` elements, in index order, with |x| == threshold; the
// others become +0. In place. Returns how many ties the span holds, kept or not.
template <class T>
std::size_t trim(T* x, std::size_t n, T threshold, std::size_t ties);

// The opposite: what trim() would keep becomes +0, the others stay.
template <class T>
std::size_t trim_largest(T* x, std::size_t n, T threshold, std::size_t ties);

}  // namespace merganser
