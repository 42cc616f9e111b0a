#include "kernels/narrow_product.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/narrow_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_NARROW_PRODUCT_ONCE
#define MERGANSER_NARROW_PRODUCT_ONCE
namespace merganser {
namespace {

template <class T>
using AddProduct = void (*)(const NarrowProduct<T>&, const T* b, T* c);

// c[i] += sum of a[i * step + k * next] b[k], for i < count and k < terms: both products.
template <class T>
struct Sums {
  const T* a;
  std::size_t count, step, terms, next, width;
};

template <class T>
Sums<T> by_rows(const NarrowProduct<T>& p) {
  return {p.a, p.rows, p.stride, p.cols, 1, p.width};
}

template <class T>
Sums<T> by_columns(const NarrowProduct<T>& p) {
  return {p.a, p.cols, 1, p.rows, p.stride, p.width};
}

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

template <class T>
void add_sums(const Sums<T>& sums, const T* b, T* c) {
  for (std::size_t i = 0; i < sums.count; ++i) {
    for (std::size_t k = 0; k < sums.terms; ++k) {
      const T factor = sums.a[i * sums.step + k * sums.next];
      for (std::size_t w = 0; w < sums.width; ++w) {
        c[i * sums.width + w] += factor * b[k * sums.width + w];
      }
    }
  }
}

#else

namespace hn = hwy::HWY_NAMESPACE;

// The accumulators of a tile fill the registers, but for those that hold a row of b and a factor:
// 24 of 32, or 12 of 16.
constexpr std::size_t kTileRows = HWY_MAX_BYTES == 64 ? 8 : 4;
constexpr std::size_t kTileVectors = 3;

template <std::size_t kRows, std::size_t kVectors, class T>
HWY_INLINE void tile(const Sums<T>& sums, const T* a, const T* b, T* c) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d), width = sums.width;
  hn::Vec<decltype(d)> sum[kRows][kVectors];
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[row][v] = hn::LoadU(d, c + row * width + v * lanes);
    }
  }
  for (std::size_t k = 0; k < sums.terms; ++k, a += sums.next, b += width) {
    hn::Vec<decltype(d)> columns[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) columns[v] = hn::LoadU(d, b + v * lanes);
    for (std::size_t row = 0; row < kRows; ++row) {
      const auto factor = hn::Set(d, a[row * sums.step]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[row][v] = hn::MulAdd(factor, columns[v], sum[row][v]);
      }
    }
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[row][v], d, c + row * width + v * lanes);
    }
  }
}

template <std::size_t kVectors, class T>
void strip(const Sums<T>& sums, const T* b, T* c) {
  std::size_t i = 0;
  for (; i + kTileRows <= sums.count; i += kTileRows) {
    tile<kTileRows, kVectors>(sums, sums.a + i * sums.step, b, c + i * sums.width);
  }
  for (; i < sums.count; ++i) {
    tile<1, kVectors>(sums, sums.a + i * sums.step, b, c + i * sums.width);
  }
}

template <class T>
void add_sums(const Sums<T>& sums, const T* b, T* c) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>()), all = sums.width / lanes;
  for (std::size_t v = 0; v < all;) {
    const std::size_t left = all - v, at = v * lanes;
    // Four are two and two: one alone would leave most of the registers unused.
    const std::size_t now = left == 4 ? 2 : left < kTileVectors ? left : kTileVectors;
    if (now == 3) {
      strip<3>(sums, b + at, c + at);
    } else if (now == 2) {
      strip<2>(sums, b + at, c + at);
    } else {
      strip<1>(sums, b + at, c + at);
    }
    v += now;
  }
}

#endif

template <class T>
void rows_times(const NarrowProduct<T>& product, const T* b, T* c) {
  add_sums(by_rows(product), b, c);
}

template <class T>
void columns_times(const NarrowProduct<T>& product, const T* b, T* c) {
  add_sums(by_columns(product), b, c);
}

AddProduct<float> RowsTimesF32() { return rows_times<float>; }
AddProduct<double> RowsTimesF64() { return rows_times<double>; }
AddProduct<float> ColumnsTimesF32() { return columns_times<float>; }
AddProduct<double> ColumnsTimesF64() { return columns_times<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(RowsTimesF32);
HWY_EXPORT(RowsTimesF64);
HWY_EXPORT(ColumnsTimesF32);
HWY_EXPORT(ColumnsTimesF64);

template <class T>
void add_narrow_product(const NarrowProduct<T>& product, const T* b, T* c) {
  if (product.rows == 0 || product.cols == 0) return;  // all pointers may be null then
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(RowsTimesF32)()(product, b, c);
  } else {
    HWY_DYNAMIC_DISPATCH(RowsTimesF64)()(product, b, c);
  }
}

template <class T>
void add_transposed_narrow_product(const NarrowProduct<T>& product, const T* b, T* c) {
  if (product.rows == 0 || product.cols == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(ColumnsTimesF32)()(product, b, c);
  } else {
    HWY_DYNAMIC_DISPATCH(ColumnsTimesF64)()(product, b, c);
  }
}

template void add_narrow_product(const NarrowProduct<float>&, const float*, float*);
template void add_narrow_product(const NarrowProduct<double>&, const double*, double*);
template void add_transposed_narrow_product(const NarrowProduct<float>&, const float*, float*);
template void add_transposed_narrow_product(const NarrowProduct<double>&, const double*, double*);

}  // namespace merganser
#endif
