// Stored elements to working precision and back. Thread-safe.
//
// Floating types only (f64 f32 f16 bf16 f8_e4m3 f8_e5m2); asking for others is a bug. Stored bytes
// may be unaligned (nothing in a safetensors file is), little-endian.
#pragma once

#include <cstddef>

#include "base/dtype.h"

namespace merganser {

// Exact. f64 does not go into float.
void widen(DType from, const std::byte* in, float* out, std::size_t n);
void widen(DType from, const std::byte* in, double* out, std::size_t n);

// One rounding to nearest even, straight to the stored type: no double rounding from f64,
// subnormals exact. Beyond the largest finite value: infinity, or NaN in f8_e4m3, which has none
// (as torch). NaN keeps its sign and the upper bits of its payload, quiet or not, so that widening
// and narrowing returns a NaN's own bits; a payload that would vanish becomes the quiet bit.
void narrow(const float* in, DType to, std::byte* out, std::size_t n);
void narrow(const double* in, DType to, std::byte* out, std::size_t n);

}  // namespace merganser
