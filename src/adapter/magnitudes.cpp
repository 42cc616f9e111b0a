#include "adapter/magnitudes.h"

#include <algorithm>
#include <cmath>

#include "kernels/blend.h"
#include "kernels/reduce.h"

namespace merganser {
namespace {

// Calls act(row, column, part) for the part of each row that lies in the piece.
template <class T, class Act>
void each_row(std::size_t columns, std::uint64_t first, std::span<T> values, Act act) {
  for (std::size_t at = 0; at < values.size();) {
    const auto row = static_cast<std::size_t>((first + at) / columns);
    const auto column = static_cast<std::size_t>((first + at) % columns);
    const std::size_t size = std::min(columns - column, values.size() - at);
    act(row, column, values.subspan(at, size));
    at += size;
  }
}

}  // namespace

template <class T>
void SquareSums::add(std::uint64_t first, std::span<const T> values) {
  each_row(columns_, first, values,
           [&](std::size_t row, std::size_t column, std::span<const T> part) {
             if (!by_column_) {
               sums_[row] += dot(part.data(), part.data(), part.size());
               return;
             }
             for (std::size_t i = 0; i < part.size(); ++i) {
               const auto x = static_cast<double>(part[i]);
               sums_[column + i] += x * x;
             }
           });
}

template <class T>
std::vector<T> SquareSums::ratios(std::span<const double> magnitudes) const {
  std::vector<T> result(sums_.size(), T{1});
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (sums_[i] != 0) result[i] = static_cast<T>(magnitudes[i] / std::sqrt(sums_[i]));
  }
  return result;
}

template <class T>
void apply_ratios(std::span<const T> ratios, bool by_column, std::size_t columns,
                  std::uint64_t first, std::span<T> values) {
  each_row(columns, first, values, [&](std::size_t row, std::size_t column, std::span<T> part) {
    if (!by_column) {
      scale(ratios[row], part.data(), part.data(), part.size());
      return;
    }
    for (std::size_t i = 0; i < part.size(); ++i) part[i] *= ratios[column + i];
  });
}

template void SquareSums::add(std::uint64_t, std::span<const float>);
template void SquareSums::add(std::uint64_t, std::span<const double>);
template std::vector<float> SquareSums::ratios(std::span<const double>) const;
template std::vector<double> SquareSums::ratios(std::span<const double>) const;
template void apply_ratios(std::span<const float>, bool, std::size_t, std::uint64_t,
                           std::span<float>);
template void apply_ratios(std::span<const double>, bool, std::size_t, std::uint64_t,
                           std::span<double>);

}  // namespace merganser
