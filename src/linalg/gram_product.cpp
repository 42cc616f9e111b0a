#include "linalg/gram_product.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "kernels/narrow_product.h"

namespace merganser {
namespace {

// A chunk of the matrix is multiplied twice while it is in the second cache; a step of a product
// finds its part of the narrow factor in the first or second.
constexpr std::size_t kRows = 32, kRowsStep = 512;        // rows at once, columns a step
constexpr std::size_t kColumns = 128, kColumnsStep = 64;  // columns at once, rows a step

// Rows of `width` elements without gaps, on lines of the cache: no load of a vector crosses two.
template <class T>
class Panel {
 public:
  Panel(std::size_t rows, std::size_t width)
      : data_(static_cast<T*>(::operator new(rows* width * sizeof(T), kLine))),
        rows_(rows),
        width_(width) {}
  T* row(std::size_t r) const { return data_.get() + r * width_; }
  std::size_t width() const { return width_; }
  void clear(std::size_t rows) { std::fill_n(data_.get(), rows * width_, T{0}); }
  void clear() { clear(rows_); }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(T* data) const { ::operator delete(data, kLine); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t rows_, width_;
};

// Tiles of both sides stay in the first cache.
constexpr std::size_t kTile = 32;

template <class T>
void pack(MatrixView<const T> x, const Panel<T>& panel) {
  for (std::size_t first = 0; first < x.cols; first += kTile) {
    const std::size_t end = std::min(x.cols, first + kTile);
    for (std::size_t r = 0; r < panel.width(); ++r) {
      for (std::size_t c = first; c < end; ++c) panel.row(c)[r] = r < x.rows ? x(r, c) : T{0};
    }
  }
}

template <class T>
void unpack(const Panel<T>& panel, MatrixView<T> out) {
  for (std::size_t first = 0; first < out.cols; first += kTile) {
    const std::size_t end = std::min(out.cols, first + kTile);
    for (std::size_t r = 0; r < out.rows; ++r) {
      for (std::size_t c = first; c < end; ++c) out(r, c) = panel.row(c)[r];
    }
  }
}

template <class T>
struct Pass {
  MatrixView<const T> a;
  T scale;
  const Panel<T>& x;  // [inner, width]
  MatrixView<T> y;

  NarrowProduct<T> part(std::size_t row, std::size_t col, std::size_t rows,
                        std::size_t cols) const {
    return {a.row(row) + col, rows, cols, a.stride, x.width()};
  }

  void keep(const Panel<T>& image, std::size_t first, std::size_t count) const {
    for (std::size_t i = 0; i < count * x.width(); ++i) image.row(0)[i] *= scale;
    unpack(image, y.col_block(first, count));
  }

  // z += the part of a^T a x that rows [begin, end) make.
  void rows(std::size_t begin, std::size_t end, const Panel<T>& z) const {
    Panel<T> image(kRows, x.width());
    for (std::size_t first = begin; first < end; first += kRows) {
      const std::size_t count = std::min(kRows, end - first);
      image.clear(count);
      for (std::size_t c = 0; c < a.cols; c += kRowsStep) {
        add_narrow_product(part(first, c, count, std::min(kRowsStep, a.cols - c)), x.row(c),
                           image.row(0));
      }
      keep(image, first, count);
      add_transposed_narrow_product(part(first, 0, count, a.cols), image.row(0), z.row(0));
    }
  }

  // z += the part of a a^T x that columns [begin, end) make.
  void columns(std::size_t begin, std::size_t end, const Panel<T>& z) const {
    Panel<T> image(kColumns, x.width());
    for (std::size_t first = begin; first < end; first += kColumns) {
      const std::size_t count = std::min(kColumns, end - first);
      image.clear(count);
      for (std::size_t r = 0; r < a.rows; r += kColumnsStep) {
        add_transposed_narrow_product(part(r, first, std::min(kColumnsStep, a.rows - r), count),
                                      x.row(r), image.row(0));
      }
      keep(image, first, count);
      add_narrow_product(part(0, first, a.rows, count), image.row(0), z.row(0));
    }
  }
};

}  // namespace

template <class T>
void gram_product(MatrixView<const T> a, Side side, T scale, MatrixView<const T> x, MatrixView<T> y,
                  MatrixView<T> z, unsigned threads) {
  const bool right = side == Side::right;
  const std::size_t inner = right ? a.cols : a.rows, outer = right ? a.rows : a.cols;
  assert(x.cols == inner && z.cols == inner && y.cols == outer);
  assert(x.rows == y.rows && x.rows == z.rows);
  if (x.rows == 0 || inner == 0) return;
  const std::size_t unit = kNarrowUnit<T>, width = (x.rows + unit - 1) / unit * unit;
  Panel<T> packed(inner, width);
  pack(x, packed);
  const Pass<T> pass{a, scale, packed, y};
  const std::size_t step = right ? kRows : kColumns, chunks = (outer + step - 1) / step;
  const std::size_t workers = std::clamp<std::size_t>(threads, 1, std::max<std::size_t>(chunks, 1));
  std::vector<Panel<T>> sums;
  for (std::size_t i = 0; i < workers; ++i) sums.emplace_back(inner, width);
  const auto work = [&](std::size_t worker) {
    Panel<T>& sum = sums[worker];
    sum.clear();
    const std::size_t begin = chunks * worker / workers * step;
    const std::size_t end = std::min(outer, chunks * (worker + 1) / workers * step);
    right ? pass.rows(begin, end, sum) : pass.columns(begin, end, sum);
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < workers; ++i) others.emplace_back(work, i);
    work(0);
  }
  Panel<T>& all = sums[0];
  for (std::size_t i = 0; i < inner * width; ++i) {
    for (std::size_t other = 1; other < workers; ++other) all.row(0)[i] += sums[other].row(0)[i];
    all.row(0)[i] *= scale;
  }
  unpack(all, z);
}

template void gram_product(MatrixView<const float>, Side, float, MatrixView<const float>,
                           MatrixView<float>, MatrixView<float>, unsigned);
template void gram_product(MatrixView<const double>, Side, double, MatrixView<const double>,
                           MatrixView<double>, MatrixView<double>, unsigned);

}  // namespace merganser
