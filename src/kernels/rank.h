// Ranks by magnitude inside a row: 1 for the smallest, n for the largest. |x| is ordered as the
// unsigned number its bits make (NaN above infinity); of equal magnitudes the one of the lower
// index has the lower rank, as a stable sort leaves them. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace merganser {

// A thread's memory from one row to the next.
template <class T>
struct RankScratch {
  struct Entry {
    T magnitude;
    std::uint32_t index;
  };
  std::vector<Entry> entries, sorted;
};

// Of all; n < 2^32.
template <class T>
void rank_magnitudes(const T* x, std::size_t n, std::uint32_t* ranks, RankScratch<T>& scratch);

// Of x[i] alone.
template <class T>
std::size_t rank_of(const T* x, std::size_t n, std::size_t i);

// Of some entries of one and the same magnitude, in ascending order.
template <class T>
void rank_equals(const T* x, std::size_t n, std::span<const std::uint32_t> entries,
                 std::uint32_t* ranks);

}  // namespace merganser
