#include "linalg/gram_product.h"

#include <algorithm>
#include <barrier>
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
  void clear() { std::fill_n(data_.get(), rows_ * width_, T{0}); }

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

  // z += the part of a^T a x that rows [begin, end) make. `image`: kRows rows to work in.
  void rows(std::size_t begin, std::size_t end, const Panel<T>& image, const Panel<T>& z) const {
    for (std::size_t first = begin; first < end; first += kRows) {
      const std::size_t count = std::min(kRows, end - first);
      std::fill_n(image.row(0), count * x.width(), T{0});
      for (std::size_t c = 0; c < a.cols; c += kRowsStep) {
        add_narrow_product(part(first, c, count, std::min(kRowsStep, a.cols - c)), x.row(c),
                           image.row(0));
      }
      keep(image, first, count);
      add_transposed_narrow_product(part(first, 0, count, a.cols), image.row(0), z.row(0));
    }
  }

  // z += the part of a a^T x that columns [begin, end) make. `image`: kColumns rows to work in.
  void columns(std::size_t begin, std::size_t end, const Panel<T>& image, const Panel<T>& z) const {
    for (std::size_t first = begin; first < end; first += kColumns) {
      const std::size_t count = std::min(kColumns, end - first);
      std::fill_n(image.row(0), count * x.width(), T{0});
      for (std::size_t r = 0; r < a.rows; r += kColumnsStep) {
        add_transposed_narrow_product(part(r, first, std::min(kColumnsStep, a.rows - r), count),
                                      x.row(r), image.row(0));
      }
      keep(image, first, count);
      add_narrow_product(part(0, first, a.rows, count), image.row(0), z.row(0));
    }
  }
};

// The first sum becomes `scale` times all of them, in these elements; each is added in their order.
template <class T>
void add_up(const std::vector<Panel<T>>& sums, T scale, std::size_t begin, std::size_t end) {
  T* const all = sums[0].row(0);
  for (std::size_t other = 1; other < sums.size(); ++other) {
    const T* const one = sums[other].row(0);
    for (std::size_t i = begin; i < end; ++i) all[i] += one[i];
  }
  for (std::size_t i = begin; i < end; ++i) all[i] *= scale;
}

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
  // All memory before the first thread: what is thrown in one ends the process.
  std::vector<Panel<T>> sums, images;
  std::vector<std::jthread> others;
  for (std::size_t i = 0; i < workers; ++i) {
    sums.emplace_back(inner, width);
    images.emplace_back(step, width);
  }
  others.reserve(workers - 1);
  std::barrier summed(static_cast<std::ptrdiff_t>(workers));
  const auto work = [&](std::size_t worker) {
    Panel<T>& sum = sums[worker];
    sum.clear();
    const std::size_t begin = chunks * worker / workers * step;
    const std::size_t end = std::min(outer, chunks * (worker + 1) / workers * step);
    right ? pass.rows(begin, end, images[worker], sum)
          : pass.columns(begin, end, images[worker], sum);
    summed.arrive_and_wait();
    add_up(sums, scale, inner * width * worker / workers, inner * width * (worker + 1) / workers);
  };
  try {
    while (others.size() + 1 < workers) others.emplace_back(work, others.size() + 1);
  } catch (...) {  // no more threads are to be had: those that are there must not wait
    (void)summed.arrive(static_cast<std::ptrdiff_t>(workers - others.size()));
    throw;
  }
  work(0);
  others.clear();
  unpack(sums[0], z);
}

template void gram_product(MatrixView<const float>, Side, float, MatrixView<const float>,
                           MatrixView<float>, MatrixView<float>, unsigned);
template void gram_product(MatrixView<const double>, Side, double, MatrixView<const double>,
                           MatrixView<double>, MatrixView<double>, unsigned);

}  // namespace merganser
