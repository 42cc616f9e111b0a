// Elementwise sums and products: the arithmetic of linear merges. T is float or double; every
// operation rounds on its own (no fused multiply-add), so results are the same on every machine.
// (Where two NaNs meet, which of their payloads survives is not defined.) Thread-safe.
#pragma once

#include <cstddef>
#include <span>

namespace merganser {

// `out` may be one of the inputs, but not overlap one partly.
template <class T>
void add(const T* a, const T* b, T* out, std::size_t n);  // a + b
template <class T>
void subtract(const T* a, const T* b, T* out, std::size_t n);  // a - b
template <class T>
void scale(T factor, const T* x, T* out, std::size_t n);  // factor * x
template <class T>
void divide(const T* x, T divisor, T* out, std::size_t n);  // x / divisor
template <class T>
void add_scaled(T factor, const T* x, T* out, std::size_t n);  // out + factor * x
// ((w0*x0 + w1*x1) + w2*x2)..., left to right; +0 where there are no inputs.
template <class T>
void combine(std::span<const T> w, std::span<T* const> x, T* out, std::size_t n);

}  // namespace merganser
