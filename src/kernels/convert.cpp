#include "kernels/convert.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/convert.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

void WidenF32(DType from, const std::byte* in, float* out, std::size_t n) {
  reference::widen(from, in, out, n);
}
void WidenF64(DType from, const std::byte* in, double* out, std::size_t n) {
  reference::widen(from, in, out, n);
}
void NarrowF32(const float* in, DType to, std::byte* out, std::size_t n) {
  reference::narrow(in, to, out, n);
}
void NarrowF64(const double* in, DType to, std::byte* out, std::size_t n) {
  reference::narrow(in, to, out, n);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DU = hn::RebindToUnsigned<DF>;
using VF = hn::Vec<DF>;
using VU = hn::Vec<DU>;

// Stored elements of 1 or 2 bytes, moved as bytes: they need not be aligned.
template <class Stored>
using DStored = hn::Rebind<Stored, DU>;
template <class Stored>
using DBytes = hn::Repartition<std::uint8_t, DStored<Stored> >;

template <class Stored>
HWY_INLINE VU load(const std::byte* in) {
  const auto bytes = hn::LoadU(DBytes<Stored>(), reinterpret_cast<const std::uint8_t*>(in));
  return hn::PromoteTo(DU(), hn::BitCast(DStored<Stored>(), bytes));
}

template <class Stored>
HWY_INLINE void store(VU v, std::byte* out) {
  const auto stored = hn::TruncateTo(DStored<Stored>(), v);
  hn::StoreU(hn::BitCast(DBytes<Stored>(), stored), DBytes<Stored>(),
             reinterpret_cast<std::uint8_t*>(out));
}

// One format: its stored type, and vectors of its codes to and from floats.
struct Bf16 {
  using Stored = std::uint16_t;
  static constexpr DType dtype = DType::bf16;

  static HWY_INLINE VF widen(VU h) { return hn::BitCast(DF(), hn::ShiftLeft<16>(h)); }

  static HWY_INLINE VU narrow(VF x) {
    const DU du;
    const VU bits = hn::BitCast(du, x), upper = hn::ShiftRight<16>(bits);
    const VU odd = hn::And(upper, hn::Set(du, 1u));
    const VU rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7FFFu)), odd));
    const auto is_nan = hn::IsNaN(x);
    if (HWY_LIKELY(hn::AllFalse(DF(), is_nan))) return rounded;
    const auto vanished = hn::Eq(hn::And(upper, hn::Set(du, 0x7Fu)), hn::Zero(du));
    const VU nan = hn::Or(upper, hn::IfThenElseZero(vanished, hn::Set(du, 0x40u)));
    return hn::IfThenElse(hn::RebindMask(du, is_nan), nan, rounded);
  }
};

template <class Format, DType kDType, class StoredType>
struct Small {
  using Stored = StoredType;
  static constexpr DType dtype = kDType;

  static HWY_INLINE VF widen(VU h) {
    const DF df;
    const DU du;
    const VU mag = hn::And(h, hn::Set(du, Format::sign - 1));
    const VU shifted = hn::ShiftLeft<Format::shift>(mag);
    const VU normal = hn::Add(shifted, hn::Set(du, std::uint32_t{Format::rebias} << 23));
    // A subnormal is m * 2^-k: 1.m * 2^e - 2^e, with no float subnormal on the way (those are slow
    // on some processors).
    const VU unit = hn::Set(du, Format::smallest_normal);
    const VU subnormal =
        hn::BitCast(du, hn::Sub(hn::BitCast(df, hn::Add(shifted, unit)), hn::BitCast(df, unit)));
    const auto is_normal = hn::Gt(mag, hn::Set(du, (1u << Format::mantissa) - 1));
    VU bits = hn::IfThenElse(is_normal, normal, subnormal);
    const std::uint32_t last_finite = Format::has_infinity ? Format::infinity : Format::nan;
    const auto special = hn::Gt(mag, hn::Set(du, last_finite - 1));
    bits = hn::Or(bits, hn::IfThenElseZero(special, hn::Set(du, 0x7F800000u)));
    const VU sign = hn::AndNot(hn::Set(du, Format::sign - 1), h);
    constexpr int kToTop = sizeof(Stored) == 2 ? 16 : 24;
    return hn::BitCast(df, hn::Or(bits, hn::ShiftLeft<kToTop>(sign)));
  }

  static HWY_INLINE VU narrow(VF x) {
    const DF df;
    const DU du;
    constexpr int kShift = Format::shift;
    const VU bits = hn::BitCast(du, x);
    const VF abs = hn::Abs(x);
    const VU mag = hn::BitCast(du, abs);

    const VU odd = hn::And(hn::ShiftRight<kShift>(mag), hn::Set(du, 1u));
    const VU half = hn::Set(du, (1u << (kShift - 1)) - 1);
    const VU normal = hn::Sub(hn::ShiftRight<kShift>(hn::Add(hn::Add(mag, half), odd)),
                              hn::Set(du, std::uint32_t{Format::rebias} << Format::mantissa));
    // The addition rounds to a multiple of the smallest subnormal.
    const VU magic = hn::Set(du, Format::magic);
    const VU subnormal = hn::Sub(hn::BitCast(du, hn::Add(abs, hn::BitCast(df, magic))), magic);
    const auto is_subnormal = hn::Lt(abs, hn::BitCast(df, hn::Set(du, Format::smallest_normal)));
    VU code = hn::IfThenElse(hn::RebindMask(du, is_subnormal), subnormal, normal);
    code = hn::Min(code, hn::Set(du, Format::overflow));

    const auto is_nan = hn::IsNaN(x);
    if (HWY_UNLIKELY(!hn::AllFalse(df, is_nan))) {
      VU nan = hn::Set(du, Format::nan);
      if constexpr (Format::has_infinity) {
        const VU payload =
            hn::And(hn::ShiftRight<kShift>(mag), hn::Set(du, (1u << Format::mantissa) - 1));
        const auto vanished = hn::Eq(payload, hn::Zero(du));
        nan = hn::Or(hn::Or(payload, hn::Set(du, Format::infinity)),
                     hn::IfThenElseZero(vanished, hn::Set(du, Format::quiet)));
      }
      code = hn::IfThenElse(hn::RebindMask(du, is_nan), nan, code);
    }
    constexpr int kToTop = sizeof(Stored) == 2 ? 16 : 24;
    return hn::Or(code, hn::And(hn::ShiftRight<kToTop>(bits), hn::Set(du, Format::sign)));
  }
};
using Half = Small<F16, DType::f16, std::uint16_t>;
using E4M3 = Small<F8E4M3, DType::f8_e4m3, std::uint8_t>;
using E5M2 = Small<F8E5M2, DType::f8_e5m2, std::uint8_t>;

template <class Format>
void widen(const std::byte* in, float* out, std::size_t n) {
  using Stored = typename Format::Stored;
  const DF df;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(Format::widen(load<Stored>(in + i * sizeof(Stored))), df, out + i);
  }
  if (i < n) reference::widen(Format::dtype, in + i * sizeof(Stored), out + i, n - i);
}

template <class Format>
void narrow(const float* in, std::byte* out, std::size_t n) {
  using Stored = typename Format::Stored;
  const DF df;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    store<Stored>(Format::narrow(hn::LoadU(df, in + i)), out + i * sizeof(Stored));
  }
  if (i < n) reference::narrow(in + i, Format::dtype, out + i * sizeof(Stored), n - i);
}

void WidenF32(DType from, const std::byte* in, float* out, std::size_t n) {
  switch (from) {
    case DType::f32:
      std::memcpy(out, in, n * sizeof(float));
      break;
    case DType::f16:
      widen<Half>(in, out, n);
      break;
    case DType::bf16:
      widen<Bf16>(in, out, n);
      break;
    case DType::f8_e4m3:
      widen<E4M3>(in, out, n);
      break;
    case DType::f8_e5m2:
      widen<E5M2>(in, out, n);
      break;
    default:
      assert(!"not a float type that fits in float");
  }
}

void NarrowF32(const float* in, DType to, std::byte* out, std::size_t n) {
  switch (to) {
    case DType::f64:
      reference::narrow(in, to, out, n);
      break;
    case DType::f32:
      std::memcpy(out, in, n * sizeof(float));
      break;
    case DType::f16:
      narrow<Half>(in, out, n);
      break;
    case DType::bf16:
      narrow<Bf16>(in, out, n);
      break;
    case DType::f8_e4m3:
      narrow<E4M3>(in, out, n);
      break;
    case DType::f8_e5m2:
      narrow<E5M2>(in, out, n);
      break;
    default:
      assert(!"not a float type");
  }
}

// Doubles go through floats in a buffer: exact on the way up, rounded to odd on the way down.
constexpr std::size_t kBuffer = 512;

using D64 = hn::ScalableTag<double>;
using U64 = hn::RebindToUnsigned<D64>;
using D32 = hn::Rebind<float, D64>;  // as many lanes
using U32 = hn::RebindToUnsigned<D32>;

void widen_floats(const float* in, double* out, std::size_t n) {
  const D64 d64;
  const U64 u64;
  const std::size_t lanes = hn::Lanes(d64);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(D32(), in + i);
    auto wide = hn::PromoteTo(d64, x);
    const auto is_nan = hn::IsNaN(wide);
    if (HWY_UNLIKELY(!hn::AllFalse(d64, is_nan))) {  // the conversion has made it quiet
      const auto bits = hn::PromoteTo(u64, hn::BitCast(U32(), x));
      const auto sign = hn::And(hn::ShiftLeft<32>(bits), hn::Set(u64, std::uint64_t{1} << 63));
      const auto rest = hn::And(hn::ShiftLeft<29>(bits), hn::Set(u64, 0x000FFFFFE0000000));
      const auto nan = hn::Or(hn::Or(sign, rest), hn::Set(u64, 0x7FF0000000000000));
      wide = hn::IfThenElse(is_nan, hn::BitCast(d64, nan), wide);
    }
    hn::StoreU(wide, d64, out + i);
  }
  for (; i < n; ++i) out[i] = widen_f32(in[i]);
}

template <bool kToOdd>
void narrow_doubles(const double* in, float* out, std::size_t n) {
  const D64 d64;
  const D32 d32;
  const U32 u32;
  const U64 u64;
  const std::size_t lanes = hn::Lanes(d64);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(d64, in + i);
    if (HWY_UNLIKELY(!hn::AllFalse(d64, hn::IsNaN(x)))) {
      for (std::size_t j = i; j < i + lanes; ++j) {
        out[j] = kToOdd ? round_to_odd(in[j]) : narrow_f32(in[j]);
      }
      continue;
    }
    auto nearest = hn::DemoteTo(d32, x);
    if constexpr (kToOdd) {
      // The masks of 64-bit lanes are -1 or 0, also when cut to 32 bits.
      const auto back = hn::PromoteTo(d64, nearest);
      const auto beyond = hn::TruncateTo(
          u32, hn::BitCast(u64, hn::VecFromMask(d64, hn::Gt(hn::Abs(back), hn::Abs(x)))));
      const auto lossy =
          hn::TruncateTo(u32, hn::BitCast(u64, hn::VecFromMask(d64, hn::Ne(back, x))));
      const auto bits = hn::Add(hn::BitCast(u32, nearest), beyond);
      nearest = hn::BitCast(d32, hn::Or(bits, hn::And(lossy, hn::Set(u32, 1u))));
    }
    hn::StoreU(nearest, d32, out + i);
  }
  for (; i < n; ++i) out[i] = kToOdd ? round_to_odd(in[i]) : narrow_f32(in[i]);
}

void WidenF64(DType from, const std::byte* in, double* out, std::size_t n) {
  if (from == DType::f64) {
    std::memcpy(out, in, n * sizeof(double));
    return;
  }
  float buffer[kBuffer];
  for (std::size_t i = 0; i < n; i += kBuffer) {
    const std::size_t part = std::min(kBuffer, n - i);
    WidenF32(from, in + i * size_of(from), buffer, part);
    widen_floats(buffer, out + i, part);
  }
}

void NarrowF64(const double* in, DType to, std::byte* out, std::size_t n) {
  if (to == DType::f64) {
    std::memcpy(out, in, n * sizeof(double));
    return;
  }
  float buffer[kBuffer];
  for (std::size_t i = 0; i < n; i += kBuffer) {
    const std::size_t part = std::min(kBuffer, n - i);
    if (to == DType::f32) {
      narrow_doubles<false>(in + i, buffer, part);
    } else {
      narrow_doubles<true>(in + i, buffer, part);
    }
    NarrowF32(buffer, to, out + i * size_of(to), part);
  }
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(WidenF32);
HWY_EXPORT(WidenF64);
HWY_EXPORT(NarrowF32);
HWY_EXPORT(NarrowF64);

void widen(DType from, const std::byte* in, float* out, std::size_t n) {
  assert(is_float(from) && from != DType::f64);
  if (n == 0) return;  // the pointers may be null
  HWY_DYNAMIC_DISPATCH(WidenF32)(from, in, out, n);
}

void widen(DType from, const std::byte* in, double* out, std::size_t n) {
  assert(is_float(from));
  if (n == 0) return;  // the pointers may be null
  HWY_DYNAMIC_DISPATCH(WidenF64)(from, in, out, n);
}

void narrow(const float* in, DType to, std::byte* out, std::size_t n) {
  assert(is_float(to));
  if (n == 0) return;  // the pointers may be null
  HWY_DYNAMIC_DISPATCH(NarrowF32)(in, to, out, n);
}

void narrow(const double* in, DType to, std::byte* out, std::size_t n) {
  assert(is_float(to));
  if (n == 0) return;  // the pointers may be null
  HWY_DYNAMIC_DISPATCH(NarrowF64)(in, to, out, n);
}

}  // namespace merganser
#endif
