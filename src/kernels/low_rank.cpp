#include "kernels/low_rank.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/low_rank_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/low_rank.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_LOW_RANK_ONCE
#define MERGANSER_LOW_RANK_ONCE
namespace merganser {
namespace {

// Rows from row `first` on, of which columns [begin, end) are wanted. `out`: the first of them,
// rows `columns` apart.
template <class T>
struct Rows {
  const LowRankProduct<T>& product;
  std::uint64_t first;
  std::size_t count, begin, end;
  T* out;
};

template <class T>
using AddRows = void (*)(const Rows<T>&);

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void scalar_rows(const Rows<T>& rows, std::size_t begin) {
  const LowRankProduct<T>& product = rows.product;
  for (std::size_t row = 0; row < rows.count; ++row) {
    reference::add_low_rank_row(product, product.left + (rows.first + row) * product.rank, begin,
                                rows.end, rows.out + row * product.columns + (begin - rows.begin));
  }
}

#if HWY_TARGET == HWY_SCALAR

template <class T>
void add_rows(const Rows<T>& rows) {
  scalar_rows(rows, rows.begin);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

// Rows that share the loads of `right`: with two vectors each, the sums of four fit the registers
// of every instruction set and hide the latency of the additions.
constexpr std::size_t kTileRows = 4;

// kRows rows of kVectors vectors. `right`: their first column, rows `stride` apart.
template <std::size_t kRows, std::size_t kVectors, class T>
void tile(const LowRankProduct<T>& product, const T* left, const T* right, std::size_t stride,
          T* out) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<decltype(d)> sum[kRows][kVectors];
  for (auto& row : sum) {
    for (auto& vector : row) vector = hn::Zero(d);
  }
  for (std::size_t k = 0; k < product.rank; ++k) {
    hn::Vec<decltype(d)> columns[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      columns[v] = hn::LoadU(d, right + k * stride + v * lanes);
    }
    for (std::size_t row = 0; row < kRows; ++row) {
      const auto weight = hn::Set(d, left[row * product.rank + k]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[row][v] = hn::Add(sum[row][v], hn::Mul(weight, columns[v]));
      }
    }
  }
  const auto scale = hn::Set(d, product.scale);
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      T* at = out + row * product.columns + v * lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, at), hn::Mul(scale, sum[row][v])), d, at);
    }
  }
}

// All rows of kVectors vectors from `column` on.
template <std::size_t kVectors, class T>
void strip(const Rows<T>& rows, std::size_t column, std::vector<T>& packed) {
  const LowRankProduct<T>& product = rows.product;
  const std::size_t width = kVectors * hn::Lanes(hn::ScalableTag<T>());
  const T* right = product.right + column;
  std::size_t stride = product.columns;
  // Strides of a power of two would fight for one set of the cache. Worth it for several tiles.
  if (rows.count >= 2 * kTileRows) {
    packed.resize(product.rank * width);
    for (std::size_t k = 0; k < product.rank; ++k) {
      std::copy_n(right + k * stride, width, packed.data() + k * width);
    }
    right = packed.data();
    stride = width;
  }
  const T* left = product.left + rows.first * product.rank;
  T* out = rows.out + (column - rows.begin);
  std::size_t row = 0;
  for (; row + kTileRows <= rows.count; row += kTileRows) {
    tile<kTileRows, kVectors>(product, left + row * product.rank, right, stride,
                              out + row * product.columns);
  }
  for (; row < rows.count; ++row) {
    tile<1, kVectors>(product, left + row * product.rank, right, stride,
                      out + row * product.columns);
  }
}

template <class T>
void add_rows(const Rows<T>& rows) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  std::vector<T> packed;
  std::size_t column = rows.begin;
  for (; column + 2 * lanes <= rows.end; column += 2 * lanes) strip<2>(rows, column, packed);
  for (; column + lanes <= rows.end; column += lanes) strip<1>(rows, column, packed);
  if (column < rows.end) scalar_rows(rows, column);
}

#endif

AddRows<float> LowRankF32() { return add_rows<float>; }
AddRows<double> LowRankF64() { return add_rows<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(LowRankF32);
HWY_EXPORT(LowRankF64);

template <class T>
void add_low_rank(const LowRankProduct<T>& product, std::uint64_t first, T* out, std::size_t n) {
  if (n == 0) return;
  AddRows<T> add_rows = nullptr;
  if constexpr (std::is_same_v<T, float>) {
    add_rows = HWY_DYNAMIC_DISPATCH(LowRankF32)();
  } else {
    add_rows = HWY_DYNAMIC_DISPATCH(LowRankF64)();
  }
  const std::size_t columns = product.columns;
  std::uint64_t row = first / columns;
  // The rest of a row that was begun, whole rows, the beginning of one.
  if (const auto begin = static_cast<std::size_t>(first % columns); begin > 0) {
    const std::size_t end = std::min(columns, begin + n);
    add_rows({product, row++, 1, begin, end, out});
    out += end - begin;
    n -= end - begin;
  }
  if (const std::size_t count = n / columns; count > 0) {
    add_rows({product, row, count, 0, columns, out});
    row += count;
    out += count * columns;
    n -= count * columns;
  }
  if (n > 0) add_rows({product, row, 1, 0, n, out});
}

template void add_low_rank(const LowRankProduct<float>&, std::uint64_t, float*, std::size_t);
template void add_low_rank(const LowRankProduct<double>&, std::uint64_t, double*, std::size_t);

}  // namespace merganser
#endif
