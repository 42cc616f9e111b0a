#include "methods/parts/column_sums.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "method/merger.h"

namespace merganser::methods {
namespace {

// Runs of neighbouring columns, none of them across a multiple of `edge`.
template <class Act>
void each_run(std::uint64_t first, std::size_t n, std::size_t columns, std::size_t edge, Act act) {
  for (std::size_t i = 0; i < n;) {
    const auto column = static_cast<std::size_t>((first + i) % columns);
    const std::size_t length = std::min({n - i, columns - column, edge - column % edge});
    act(column, i, length);
    i += length;
  }
}

template <class T, class Largest>
void raise(const T* a, const T* b, Largest* largest, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    largest[i].a = std::max(largest[i].a, static_cast<double>(std::abs(a[i])));
    largest[i].b = std::max(largest[i].b, static_cast<double>(std::abs(b[i])));
  }
}

// x as a multiple of the unit that the last bit of `large` stands for.
double rounded(double x, double large) { return (x + large) - large; }

template <class T, class Largest>
void add_products(const T* a, const T* b, const Largest* largest, ColumnSums::Sums* sums,
                  std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const double x = a[i], y = b[i], p = largest[i].a, q = largest[i].b;
    sums[i].aa += rounded(x * x, 1.5 * (p * p));
    sums[i].ab += rounded(x * y, 1.5 * (p * q));
    sums[i].bb += rounded(y * y, 1.5 * (q * q));
  }
}

}  // namespace

ColumnSums::ColumnSums(const Shape& shape)
    : rows_(shape.empty() ? 1 : static_cast<std::size_t>(shape[0])) {
  columns_ = rows_ == 0 ? 0 : static_cast<std::size_t>(elements(shape)) / rows_;
  largest_.resize(columns_);
  guards_ = std::make_unique<std::mutex[]>(columns_ / kGuarded + 1);
}

// Blocks that hold several rows are summed up before the lock is taken.
template <class T>
void ColumnSums::look(std::uint64_t first, const T* a, const T* b, std::size_t n) {
  assert(n <= kBlock);
  if (columns_ >= n) {
    each_run(first, n, columns_, kGuarded, [&](std::size_t column, std::size_t i, std::size_t len) {
      const std::lock_guard lock(guard(column));
      raise(a + i, b + i, largest_.data() + column, len);
    });
    return;
  }
  std::array<Largest, kBlock> own;
  std::fill_n(own.begin(), columns_, Largest{});
  each_run(first, n, columns_, columns_, [&](std::size_t column, std::size_t i, std::size_t len) {
    raise(a + i, b + i, own.data() + column, len);
  });
  const std::lock_guard lock(guard(0));
  for (std::size_t j = 0; j < columns_; ++j) {
    largest_[j].a = std::max(largest_[j].a, own[j].a);
    largest_[j].b = std::max(largest_[j].b, own[j].b);
  }
}

template <class T>
void ColumnSums::add(std::uint64_t first, const T* a, const T* b, std::size_t n) {
  assert(n <= kBlock);
  if (columns_ >= n) {
    each_run(first, n, columns_, kGuarded, [&](std::size_t column, std::size_t i, std::size_t len) {
      const std::lock_guard lock(guard(column));
      add_products(a + i, b + i, largest_.data() + column, sums_.data() + column, len);
    });
    return;
  }
  std::array<Sums, kBlock> own;
  std::fill_n(own.begin(), columns_, Sums{});
  each_run(first, n, columns_, columns_, [&](std::size_t column, std::size_t i, std::size_t len) {
    add_products(a + i, b + i, largest_.data() + column, own.data() + column, len);
  });
  const std::lock_guard lock(guard(0));
  for (std::size_t j = 0; j < columns_; ++j) {
    sums_[j].aa += own[j].aa;
    sums_[j].ab += own[j].ab;
    sums_[j].bb += own[j].bb;
  }
}

// 1.5 p q, from p and q above the largest magnitudes, must exceed twice the sum of all products:
// then its last bit is a unit of which every partial sum is less than 2^53 times.
void ColumnSums::end_look() {
  int bits = 0;  // 2^bits >= rows
  while (bits < 63 && (std::uint64_t{1} << bits) < rows_) ++bits;
  const auto above = [half = (bits + 2) / 2](double largest) {
    if (!std::isfinite(largest)) return std::numeric_limits<double>::infinity();
    int exponent = 0;
    std::frexp(largest, &exponent);
    return largest == 0 ? 0.0 : std::ldexp(1.0, exponent + half);
  };
  for (Largest& largest : largest_) largest = {above(largest.a), above(largest.b)};
  sums_.resize(columns_);
}

std::vector<ColumnSums::Sums> ColumnSums::take() {
  largest_ = {};
  return std::exchange(sums_, {});
}

template void ColumnSums::look(std::uint64_t, const float*, const float*, std::size_t);
template void ColumnSums::look(std::uint64_t, const double*, const double*, std::size_t);
template void ColumnSums::add(std::uint64_t, const float*, const float*, std::size_t);
template void ColumnSums::add(std::uint64_t, const double*, const double*, std::size_t);

}  // namespace merganser::methods
