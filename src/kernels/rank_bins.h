// The vector parts of rank_dropout.h: a row's entries in 256 bins of their magnitudes, and what
// 16-bit draws decide as soon as an entry's bin is known. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace merganser {

// Bins are logarithmic, 32 to the octave. Bin 0 holds the zeros and nothing else; 1 and 255 what
// lies beyond the ends, too.
inline constexpr std::size_t kRankBins = 256;
inline constexpr std::size_t kStepsOfOctave = 32;

// The magnitudes' mean logarithm in steps of bins; of a sample, zeros left out.
template <class T>
std::int64_t mean_step(const T* x, std::size_t n);

// Bin 1 is the step after `offset`. Rooms for bins are of whole 64s.
template <class T>
void find_bins(const T* x, std::size_t n, std::int64_t offset, std::uint8_t* bins);

// A bit for each draw, 64 to a word: kept where it is below `low`, undecided where it is of low ..
// high. Reads whole words' draws; bits past n are clear in `undecided` and not defined in `kept`.
// Returns how many are undecided.
std::size_t split_draws(const std::uint16_t* draws, std::size_t n, std::uint16_t low,
                        std::uint16_t high, std::uint64_t* kept, std::uint64_t* undecided);

// Of the undecided entries, zeros left out: keeps those whose draw is below edges[bin] and lists,
// in order, those of edges[bin] .. edges[bin + 1] + 1; the list has room for one more than there
// may be. Returns how many it lists.
std::size_t compare_edges(const std::uint16_t* draws, const std::uint8_t* bins, std::size_t words,
                          const std::int32_t* edges, const std::uint64_t* undecided,
                          std::uint64_t* kept, std::uint32_t* ambiguous);

// The entries of a bin, in order; the list has room for three more than there may be. Returns how
// many there are.
std::size_t find_members(const std::uint8_t* bins, std::size_t n, std::uint8_t bin,
                         std::uint32_t* members);

}  // namespace merganser
