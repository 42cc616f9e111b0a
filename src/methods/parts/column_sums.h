// Inner products of two models by column: of the elements at one place of all axes but the first.
//
// Every chunk has a part of nearly every column, so sums of blocks would take more room than the
// tensor. These are exact instead, and exact sums do not depend on the order in which threads come.
// A first pass finds the largest magnitudes of each column; they set a unit so coarse that no sum
// of its multiples has to be rounded. A second pass adds the products, rounded to that unit: 2^-50
// of the column's largest product, times the number of rows.
//
// In memory: 16 bytes a column, 40 while the sums are taken, whatever the number of rows and
// chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/tensor_info.h"

namespace merganser::methods {

class ColumnSums {
 public:
  struct Sums {
    double aa = 0, ab = 0, bb = 0;
  };

  explicit ColumnSums(const Shape& shape);

  std::size_t columns() const { return columns_; }

  // n elements, at most kBlock, from element `first` of the tensor on. Thread-safe.
  template <class T>
  void look(std::uint64_t first, const T* a, const T* b, std::size_t n);
  template <class T>
  void add(std::uint64_t first, const T* a, const T* b, std::size_t n);

  void end_look();           // between the passes
  std::vector<Sums> take();  // after the second one; leaves nothing

 private:
  struct Largest {
    double a = 0, b = 0;  // magnitudes; after end_look() powers of two above them
  };

  std::mutex& guard(std::size_t column) { return guards_[column / kGuarded]; }

  static constexpr std::size_t kGuarded = 2048;  // columns under one mutex

  std::size_t columns_ = 0, rows_ = 0;
  std::vector<Largest> largest_;
  std::vector<Sums> sums_;
  std::unique_ptr<std::mutex[]> guards_;
};

}  // namespace merganser::methods
