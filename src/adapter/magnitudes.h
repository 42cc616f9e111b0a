// DoRA's magnitudes (Liu et al. 2024): the factor m / |W'| of each output feature, where W' is the
// weight with the product added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace merganser {

// Sums of squares of a matrix's rows, or of its columns, over pieces that come in order. In f64, a
// row's part of a piece at a time; so equal pieces give equal sums.
class SquareSums {
 public:
  SquareSums(std::size_t rows, std::size_t columns, bool by_column)
      : columns_(columns), by_column_(by_column), sums_(by_column ? columns : rows) {}

  template <class T>
  void add(std::uint64_t first, std::span<const T> values);

  // m / norm, rounded once to T; 1 where the norm is 0 and nothing can be scaled.
  template <class T>
  std::vector<T> ratios(std::span<const double> magnitudes) const;

 private:
  std::size_t columns_;
  bool by_column_;
  std::vector<double> sums_;
};

// values[i] *= ratios[row], or ratios[column], for elements [first, first + values.size()).
template <class T>
void apply_ratios(std::span<const T> ratios, bool by_column, std::size_t columns,
                  std::uint64_t first, std::span<T> values);

}  // namespace merganser
