#include "base/random.h"

#include <cassert>
#include <cmath>

namespace merganser {

namespace {

std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {high(p1) ^ counter[1] ^ key[0], low(p1), high(p0) ^ counter[3] ^ key[1], low(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

std::uint16_t draw16(RandomStream stream, std::uint64_t element, bool refinement) {
  const std::uint64_t block = element / 8;
  const auto words = philox({low(block), high(block) | (refinement ? 0x80000000u : 0u),
                             low(stream.stream), high(stream.stream)},
                            {low(stream.seed), high(stream.seed)});
  const std::uint32_t word = words[element % 8 / 2];
  return static_cast<std::uint16_t>(element % 2 == 0 ? word : word >> 16);
}

std::uint64_t keep_threshold(double p) {
  assert(p >= 0 && p <= 1);
  return static_cast<std::uint64_t>(std::llround(p * 4294967296.0));
}

bool keeps(RandomStream stream, std::uint64_t element, std::uint64_t threshold) {
  return keeps(stream, element, threshold, draw16(stream, element));
}

bool keeps(RandomStream stream, std::uint64_t element, std::uint64_t threshold,
           std::uint16_t draw) {
  assert(threshold <= std::uint64_t{1} << 32);
  const std::uint64_t limit = threshold >> 16;
  if (draw != limit) return draw < limit;
  return draw16(stream, element, true) < (threshold & 0xFFFF);
}

}  // namespace merganser
