// Dense row-major matrices: views of memory that belongs to others, and matrices that own it.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

namespace merganser {

template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0, cols = 0;
  std::size_t stride = 0;  // elements from one row to the next

  T* row(std::size_t r) const { return data + r * stride; }
  T& operator()(std::size_t r, std::size_t c) const { return data[r * stride + c]; }
  bool empty() const { return rows == 0 || cols == 0; }

  MatrixView block(std::size_t first_row, std::size_t first_col, std::size_t height,
                   std::size_t width) const {
    return {data + first_row * stride + first_col, height, width, stride};
  }
  MatrixView row_block(std::size_t first, std::size_t height) const {
    return block(first, 0, height, cols);
  }
  MatrixView col_block(std::size_t first, std::size_t width) const {
    return block(0, first, rows, width);
  }
  operator MatrixView<const T>() const
    requires(!std::is_const_v<T>)
  {
    return {data, rows, cols, stride};
  }
};

template <class T>
MatrixView<T> matrix_view(T* data, std::size_t rows, std::size_t cols) {
  return {data, rows, cols, cols};
}

// The elements of a new matrix are not initialised: most are written by BLAS at once.
template <class T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t cols)
      : data_(std::make_unique_for_overwrite<T[]>(rows * cols)), rows_(rows), cols_(cols) {}

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  bool empty() const { return rows_ == 0 || cols_ == 0; }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T* row(std::size_t r) { return data_.get() + r * cols_; }
  const T* row(std::size_t r) const { return data_.get() + r * cols_; }
  T& operator()(std::size_t r, std::size_t c) { return data_[r * cols_ + c]; }
  const T& operator()(std::size_t r, std::size_t c) const { return data_[r * cols_ + c]; }

  MatrixView<T> view() { return {data_.get(), rows_, cols_, cols_}; }
  MatrixView<const T> view() const { return {data_.get(), rows_, cols_, cols_}; }

  // Forgets the last rows; the memory stays.
  void keep_rows(std::size_t rows) { rows_ = rows < rows_ ? rows : rows_; }

 private:
  std::unique_ptr<T[]> data_;
  std::size_t rows_ = 0, cols_ = 0;
};

}  // namespace merganser
