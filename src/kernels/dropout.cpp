#include "kernels/dropout.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

void draw_all(std::uint16_t* out, std::size_t n, RandomStream stream, std::uint64_t first) {
  reference::draw_bits(out, n, stream, first);
}

void make_mask(std::uint8_t* bits, std::size_t n, RandomStream stream, std::uint64_t first,
               std::uint64_t threshold) {
  reference::keep_mask(bits, n, stream, first, threshold);
}

template <class T>
void zero_unmasked(T* x, std::size_t n, const std::uint8_t* bits) {
  reference::apply_mask(x, 0, n, bits);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

using DU = hn::ScalableTag<std::uint64_t>;
using VU = hn::Vec<DU>;

constexpr std::uint32_t kMul0 = 0xD2511F53, kMul1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

// Philox in 64-bit lanes, one counter a lane: a word is a lane's low half, the high half is rubbish
// that the 32x32 -> 64 bit product does not look at. So a round is two products, two shifts and two
// three-way xors.
HWY_INLINE VU product(VU a, VU b) {
  const hn::Repartition<std::uint32_t, DU> d32;
  return hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, b));
}

// 16-bit draws of the elements of `blocks` consecutive blocks from `block` on, in order; writes
// whole vectors. All blocks have the same bits 32 and up.
void draw(RandomStream stream, std::uint64_t block, std::size_t blocks, std::uint16_t* out) {
  const DU du;
  const hn::Repartition<std::uint16_t, DU> d16;
  constexpr std::size_t kLanes = hn::MaxLanes(DU());
  const auto k0 = static_cast<std::uint32_t>(stream.seed);
  const auto k1 = static_cast<std::uint32_t>(stream.seed >> 32);
  const std::uint64_t c1 = block >> 32;

  // The first round and half of the second are the same for all: only c0 varies.
  const std::uint64_t p1 = std::uint64_t{kMul1} * static_cast<std::uint32_t>(stream.stream);
  const std::uint64_t a0 = (p1 >> 32) ^ c1 ^ k0;
  const VU a1 = hn::Set(du, p1);
  const VU a2_rest = hn::Set(du, (stream.stream >> 32) ^ k1);
  const std::uint64_t q0 = std::uint64_t{kMul0} * static_cast<std::uint32_t>(a0);
  const VU b2_known = hn::Set(du, (q0 >> 32) ^ (k1 + kWeyl1)), b3 = hn::Set(du, q0);
  const VU b0_known = hn::Xor(a1, hn::Set(du, std::uint64_t{k0 + kWeyl0}));

  const VU mul0 = hn::Set(du, std::uint64_t{kMul0}), mul1 = hn::Set(du, std::uint64_t{kMul1});
  const VU low_half = hn::Set(du, std::uint64_t{0xFFFFFFFF});
  VU key0[10], key1[10];
  for (std::uint32_t round = 0; round < 10; ++round) {
    key0[round] = hn::Set(du, std::uint64_t{k0 + round * kWeyl0});
    key1[round] = hn::Set(du, std::uint64_t{k1 + round * kWeyl1});
  }

  // Lane 2i takes counter i and lane 2i+1 counter kLanes/2 + i: interleaving then yields them in
  // order, in vectors of any length.
  std::uint64_t order[kLanes];
  for (std::size_t lane = 0; lane < kLanes; ++lane) order[lane] = lane / 2 + lane % 2 * kLanes / 2;
  VU counter = hn::Add(hn::Set(du, block & 0xFFFFFFFF), hn::LoadU(du, order));
  const VU step = hn::Set(du, std::uint64_t{kLanes});

  for (std::size_t done = 0; done < blocks; done += kLanes) {
    const VU p0 = product(counter, mul0);
    counter = hn::Add(counter, step);
    const VU q1 = product(hn::Xor(hn::ShiftRight<32>(p0), a2_rest), mul1);
    VU w0 = hn::Xor(hn::ShiftRight<32>(q1), b0_known), w1 = q1;
    VU w2 = hn::Xor(p0, b2_known), w3 = b3;
    for (std::size_t round = 2; round < 10; ++round) {
      const VU r0 = product(w0, mul0), r1 = product(w2, mul1);
      w0 = hn::Xor3(hn::ShiftRight<32>(r1), w1, key0[round]);
      w1 = r1;
      w2 = hn::Xor3(hn::ShiftRight<32>(r0), w3, key1[round]);
      w3 = r0;
    }
    const VU w01 = hn::Or(hn::And(w0, low_half), hn::ShiftLeft<32>(w1));
    const VU w23 = hn::Or(hn::And(w2, low_half), hn::ShiftLeft<32>(w3));
    hn::StoreU(hn::BitCast(d16, hn::InterleaveLower(du, w01, w23)), d16, out + 8 * done);
    hn::StoreU(hn::BitCast(d16, hn::InterleaveUpper(du, w01, w23)), d16,
               out + 8 * done + 4 * kLanes);
  }
}

// The blocks from `block` on whose counters have the same bits 32 and up: draw() goes no further.
std::uint64_t blocks_to_carry(std::uint64_t block) {
  return (std::uint64_t{1} << 32) - (block & 0xFFFFFFFF);
}

void draw_all(std::uint16_t* out, std::size_t n, RandomStream stream, std::uint64_t first) {
  const std::uint64_t end = (first + n + 7) / 8;
  for (std::uint64_t block = first / 8; block < end;) {
    const std::uint64_t blocks = std::min(end - block, blocks_to_carry(block));
    draw(stream, block, static_cast<std::size_t>(blocks), out);
    block += blocks;
    out += 8 * blocks;
  }
}

// Sets bit j where draws[j] <= limit, for a multiple of 8 draws; tells whether one is equal to it.
bool compare_draws(const std::uint16_t* draws, std::size_t n, std::uint16_t limit,
                   std::uint8_t* bits) {
  const hn::ScalableTag<std::int16_t> d;
  constexpr std::size_t kWide = hn::MaxLanes(d);
  // Signed comparison of numbers whose sign bit is flipped.
  const auto flip = hn::Set(d, static_cast<std::int16_t>(0x8000));
  const auto bound = hn::Set(d, static_cast<std::int16_t>(limit ^ 0x8000));
  auto ties = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    const auto draw = hn::Xor(hn::LoadU(d, reinterpret_cast<const std::int16_t*>(draws + i)), flip);
    ties = hn::Or(ties, hn::VecFromMask(d, hn::Eq(draw, bound)));
    hn::StoreMaskBits(d, hn::Not(hn::Gt(draw, bound)), bits + i / 8);
  }
  bool tied = !hn::AllTrue(d, hn::Eq(ties, hn::Zero(d)));
  for (; i < n; i += 8) {
    unsigned byte = 0;
    for (std::size_t j = 0; j < 8; ++j) {
      byte |= static_cast<unsigned>(draws[i + j] <= limit) << j;
      tied = tied || draws[i + j] == limit;
    }
    bits[i / 8] = static_cast<std::uint8_t>(byte);
  }
  return tied;
}

void make_mask(std::uint8_t* bits, std::size_t n, RandomStream stream, std::uint64_t first,
               std::uint64_t threshold) {
  constexpr std::size_t kBlocks = 128;  // 2 KB of draws
  alignas(64) std::uint16_t draws[8 * (kBlocks + hn::MaxLanes(DU()))];
  const auto limit = static_cast<std::uint16_t>(threshold >> 16);
  for (std::size_t done = 0; done < n;) {
    const std::uint64_t block = (first + done) / 8;
    const auto blocks = static_cast<std::size_t>(
        std::min<std::uint64_t>({(n - done + 7) / 8, kBlocks, blocks_to_carry(block)}));
    draw(stream, block, blocks, draws);
    if (compare_draws(draws, 8 * blocks, limit, bits + done / 8)) {
      for (std::size_t j = 0; j < 8 * blocks; ++j) {
        if (draws[j] == limit && !keeps(stream, first + done + j, threshold)) {
          bits[(done + j) / 8] &= static_cast<std::uint8_t>(~(1u << (j % 8)));
        }
      }
    }
    done += 8 * blocks;
  }
}

template <class T>
void zero_unmasked(T* x, std::size_t n, const std::uint8_t* bits) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kWide = hn::MaxLanes(hn::ScalableTag<T>());
  std::size_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    auto mask = hn::LoadMaskBits(d, bits + i / 8);
    if constexpr (kWide < 8) {  // a part of a byte
      const std::uint8_t part[8] = {static_cast<std::uint8_t>(bits[i / 8] >> (i % 8))};
      mask = hn::LoadMaskBits(d, part);
    }
    hn::StoreU(hn::IfThenElseZero(mask, hn::LoadU(d, x + i)), d, x + i);
  }
  reference::apply_mask(x, i, n, bits);
}

#endif

void DrawBits(std::uint16_t* out, std::size_t n, RandomStream stream, std::uint64_t first) {
  draw_all(out, n, stream, first);
}

void MakeMask(std::uint8_t* bits, std::size_t n, RandomStream stream, std::uint64_t first,
              std::uint64_t threshold) {
  make_mask(bits, n, stream, first, threshold);
}

void ApplyF32(float* x, std::size_t n, const std::uint8_t* bits) { zero_unmasked(x, n, bits); }
void ApplyF64(double* x, std::size_t n, const std::uint8_t* bits) { zero_unmasked(x, n, bits); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(DrawBits);
HWY_EXPORT(MakeMask);
HWY_EXPORT(ApplyF32);
HWY_EXPORT(ApplyF64);

void draw_bits(std::uint16_t* out, std::size_t n, RandomStream stream, std::uint64_t first) {
  HWY_DYNAMIC_DISPATCH(DrawBits)(out, n, stream, first);
}

void keep_mask(std::uint8_t* bits, std::size_t n, RandomStream stream, std::uint64_t first,
               std::uint64_t threshold) {
  assert(threshold <= std::uint64_t{1} << 32 && first % 8 == 0);
  if (threshold >> 32 != 0) {
    std::memset(bits, 0xFF, (n + 7) / 8);
  } else {
    HWY_DYNAMIC_DISPATCH(MakeMask)(bits, n, stream, first, threshold);
  }
}

template <class T>
void apply_mask(T* x, std::size_t n, const std::uint8_t* bits) {
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(ApplyF32)(x, n, bits);
  } else {
    HWY_DYNAMIC_DISPATCH(ApplyF64)(x, n, bits);
  }
}

template void apply_mask(float*, std::size_t, const std::uint8_t*);
template void apply_mask(double*, std::size_t, const std::uint8_t*);

}  // namespace merganser
#endif
