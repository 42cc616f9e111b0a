// Sums over a span. They run in f64 in 16 virtual lanes, whatever the vector length: element j goes
// to lane j mod 16, and the lanes are folded at the end in a fixed tree (lane i += lane i+8, then
// +4, +2, +1). So a sum has the same bits on every machine. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace merganser {

template <class T>
double sum_abs(const T* x, std::size_t n);
// And of those of a mask alone (dropout.h): what sum_abs() gives before and after apply_mask(). NaN
// that the mask leaves out counts in the first only.
struct MaskedSum {
  double whole = 0, kept = 0;
};
template <class T>
MaskedSum sum_abs(const T* x, std::size_t n, const std::uint8_t* bits);
// Products are exact for T = float.
template <class T>
double dot(const T* x, const T* y, std::size_t n);
// NaN and infinities.
template <class T>
std::size_t count_nonfinite(const T* x, std::size_t n);

struct Difference {
  double dot = 0, norm_a2 = 0, norm_b2 = 0;  // a.b, a.a, b.b
  double diff2 = 0;                          // |a - b|^2
  double max_abs = 0;                        // largest |a - b|; NaN differences are left out
};
template <class T>
Difference difference(const T* a, const T* b, std::size_t n);

}  // namespace merganser
