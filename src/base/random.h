// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A draw is a function of (seed, stream, element) alone, so neither threads nor
// chunks nor order nor a resumed run can change a result.
//
// The layout is part of the documented format:
//   key      k0, k1 = low and high word of the seed
//   counter  c2, c3 = low and high word of the stream
//            c0     = bits 0..31 of element/8
//            c1     = bits 32..62 of element/8; bit 31 of c1 is the refinement flag
//   element  takes 16 bits: output word (element%8)/2, low half for an even element
#pragma once

#include <array>
#include <cstdint>

namespace merganser {

struct RandomStream {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  // e.g. a hash of model and tensor name
};

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// The 16 bits of an element; `refinement` draws the second, independent 16.
std::uint16_t draw16(RandomStream stream, std::uint64_t element, bool refinement = false);

// round(p * 2^32), for p in [0, 1]: what keeps() takes. 0 keeps nothing, 2^32 everything.
std::uint64_t keep_threshold(double p);

// True with probability threshold / 2^32. 16 bits decide, except where they equal the threshold's
// upper half (once in 65536 elements): then 16 more do.
bool keeps(RandomStream stream, std::uint64_t element, std::uint64_t threshold);
// The same, given the element's draw.
bool keeps(RandomStream stream, std::uint64_t element, std::uint64_t threshold, std::uint16_t draw);

}  // namespace merganser
