#include "kernels/blend.h"

#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/blend.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_BLEND_ONCE
#define MERGANSER_BLEND_ONCE
namespace merganser {
namespace {

template <class T>
struct BlendKernels {
  void (*add)(const T*, const T*, T*, std::size_t);
  void (*subtract)(const T*, const T*, T*, std::size_t);
  void (*scale)(T, const T*, T*, std::size_t);
  void (*divide)(const T*, T, T*, std::size_t);
  void (*add_scaled)(T, const T*, T*, std::size_t);
  void (*combine)(std::span<const T>, std::span<T* const>, T*, std::size_t);
};

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

template <class T>
void combine(std::span<const T> w, std::span<T* const> x, T* out, std::size_t n) {
  reference::combine(w, x, out, n);
}

template <class T>
constexpr BlendKernels<T> kKernels = {reference::add<T>,        reference::subtract<T>,
                                      reference::scale<T>,      reference::divide<T>,
                                      reference::add_scaled<T>, combine<T>};

#else

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void add(const T* a, const T* b, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i);
  }
  if (i < n) reference::add(a + i, b + i, out + i, n - i);
}

template <class T>
void subtract(const T* a, const T* b, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Sub(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i);
  }
  if (i < n) reference::subtract(a + i, b + i, out + i, n - i);
}

template <class T>
void scale(T factor, const T* x, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto f = hn::Set(d, factor);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Mul(f, hn::LoadU(d, x + i)), d, out + i);
  }
  if (i < n) reference::scale(factor, x + i, out + i, n - i);
}

template <class T>
void divide(const T* x, T divisor, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto by = hn::Set(d, divisor);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Div(hn::LoadU(d, x + i), by), d, out + i);
  }
  if (i < n) reference::divide(x + i, divisor, out + i, n - i);
}

template <class T>
void add_scaled(T factor, const T* x, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto f = hn::Set(d, factor);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Add(hn::LoadU(d, out + i), hn::Mul(f, hn::LoadU(d, x + i))), d, out + i);
  }
  if (i < n) reference::add_scaled(factor, x + i, out + i, n - i);
}

// Few inputs: weights and pointers stay in registers. Returns how far it came.
template <std::size_t kInputs, class T>
std::size_t combine_few(std::span<const T> w, std::span<T* const> x, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  hn::Vec<decltype(d)> weight[kInputs];
  const T* input[kInputs];
  for (std::size_t k = 0; k < kInputs; ++k) {
    weight[k] = hn::Set(d, w[k]);
    input[k] = x[k];
  }
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    auto sum = hn::Mul(weight[0], hn::LoadU(d, input[0] + i));
    for (std::size_t k = 1; k < kInputs; ++k) {
      sum = hn::Add(sum, hn::Mul(weight[k], hn::LoadU(d, input[k] + i)));
    }
    hn::StoreU(sum, d, out + i);
  }
  return i;
}

// Four vectors at a time hide the latency of the chain of sums.
template <class T>
std::size_t combine_many(std::span<const T> w, std::span<T* const> x, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto first = hn::Set(d, w[0]);
    auto s0 = hn::Mul(first, hn::LoadU(d, x[0] + i));
    auto s1 = hn::Mul(first, hn::LoadU(d, x[0] + i + lanes));
    auto s2 = hn::Mul(first, hn::LoadU(d, x[0] + i + 2 * lanes));
    auto s3 = hn::Mul(first, hn::LoadU(d, x[0] + i + 3 * lanes));
    for (std::size_t k = 1; k < w.size(); ++k) {
      const auto weight = hn::Set(d, w[k]);
      const T* in = x[k] + i;
      s0 = hn::Add(s0, hn::Mul(weight, hn::LoadU(d, in)));
      s1 = hn::Add(s1, hn::Mul(weight, hn::LoadU(d, in + lanes)));
      s2 = hn::Add(s2, hn::Mul(weight, hn::LoadU(d, in + 2 * lanes)));
      s3 = hn::Add(s3, hn::Mul(weight, hn::LoadU(d, in + 3 * lanes)));
    }
    hn::StoreU(s0, d, out + i);
    hn::StoreU(s1, d, out + i + lanes);
    hn::StoreU(s2, d, out + i + 2 * lanes);
    hn::StoreU(s3, d, out + i + 3 * lanes);
  }
  return i;
}

template <class T>
void combine(std::span<const T> w, std::span<T* const> x, T* out, std::size_t n) {
  std::size_t done = 0;
  switch (w.size()) {
    case 0:
      break;
    case 1:
      done = combine_few<1>(w, x, out, n);
      break;
    case 2:
      done = combine_few<2>(w, x, out, n);
      break;
    case 3:
      done = combine_few<3>(w, x, out, n);
      break;
    case 4:
      done = combine_few<4>(w, x, out, n);
      break;
    default:
      done = combine_many(w, x, out, n);
  }
  if (done < n) reference::combine(w, x, out, n, done);
}

template <class T>
constexpr BlendKernels<T> kKernels = {add<T>,    subtract<T>,   scale<T>,
                                      divide<T>, add_scaled<T>, combine<T>};

#endif

const BlendKernels<float>& BlendF32() { return kKernels<float>; }
const BlendKernels<double>& BlendF64() { return kKernels<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(BlendF32);
HWY_EXPORT(BlendF64);

namespace {

template <class T>
const BlendKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(BlendF32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(BlendF64)();
  }
}

}  // namespace

template <class T>
void add(const T* a, const T* b, T* out, std::size_t n) {
  kernels<T>().add(a, b, out, n);
}

template <class T>
void subtract(const T* a, const T* b, T* out, std::size_t n) {
  kernels<T>().subtract(a, b, out, n);
}

template <class T>
void scale(T factor, const T* x, T* out, std::size_t n) {
  kernels<T>().scale(factor, x, out, n);
}

template <class T>
void divide(const T* x, T divisor, T* out, std::size_t n) {
  kernels<T>().divide(x, divisor, out, n);
}

template <class T>
void add_scaled(T factor, const T* x, T* out, std::size_t n) {
  kernels<T>().add_scaled(factor, x, out, n);
}

template <class T>
void combine(std::span<const T> w, std::span<T* const> x, T* out, std::size_t n) {
  kernels<T>().combine(w, x, out, n);
}

template void add(const float*, const float*, float*, std::size_t);
template void add(const double*, const double*, double*, std::size_t);
template void subtract(const float*, const float*, float*, std::size_t);
template void subtract(const double*, const double*, double*, std::size_t);
template void scale(float, const float*, float*, std::size_t);
template void scale(double, const double*, double*, std::size_t);
template void divide(const float*, float, float*, std::size_t);
template void divide(const double*, double, double*, std::size_t);
template void add_scaled(float, const float*, float*, std::size_t);
template void add_scaled(double, const double*, double*, std::size_t);
template void combine(std::span<const float>, std::span<float* const>, float*, std::size_t);
template void combine(std::span<const double>, std::span<double* const>, double*, std::size_t);

}  // namespace merganser
#endif
