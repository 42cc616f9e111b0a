#include "linalg/low_rank.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/random.h"
#include "linalg/eigen.h"
#include "linalg/gram.h"
#include "linalg/multiply.h"
#include "linalg/qr.h"

namespace merganser {
namespace {

constexpr std::uint32_t kSketchKey = 0x6C6F7772;  // "lowr"
constexpr std::size_t kFirstSketch = 32;          // vectors; doubled until they span the matrix
constexpr std::size_t kOversampling = 8;          // vectors beyond the rank that make it certain
// The Gram matrix in f64 shows singular values down to this part of the largest.
constexpr double kGramResolution = 1e-6;

// Rows [first, first + count) of an endless matrix of random signs.
Matrix<double> random_signs(std::size_t first, std::size_t count, std::size_t cols) {
  Matrix<double> signs(count, cols);
  constexpr std::size_t kBits = 128;  // of one draw: a column's signs in as many rows
  for (std::size_t c = 0; c < cols; ++c) {
    std::array<std::uint32_t, 4> bits{};
    for (std::size_t r = 0; r < count; ++r) {
      const std::size_t row = first + r;
      if (r == 0 || row % kBits == 0) {
        bits = philox(
            {static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(row / kBits), 0, kSketchKey},
            {0, 0});
      }
      const std::size_t bit = row % kBits;
      signs(r, c) = (bits[bit / 32] >> bit % 32 & 1) != 0 ? 1 : -1;
    }
  }
  return signs;
}

// A part of `a`, spread over it, of more rows and columns than the limit: if its rank is higher, so
// is that of the whole.
template <class T>
bool part_exceeds(MatrixView<const T> a, const LowRankOptions& options) {
  const std::size_t size = options.limit + options.limit / 16 + 2 * kOversampling;
  if (size > std::min(a.rows, a.cols)) return false;
  Matrix<double> part(size, size);
  for (std::size_t r = 0; r < size; ++r) {
    const T* row = a.row(r * a.rows / size);
    for (std::size_t c = 0; c < size; ++c) part(r, c) = static_cast<double>(row[c * a.cols / size]);
  }
  const auto squares = symmetric_eigenvalues(gram<double>(part.view(), Side::right));
  const double least = std::max(noise_level(options.element_error, size, size),
                                kGramResolution * std::sqrt(std::max(0.0, squares[0])));
  const auto rank = std::count_if(squares.begin(), squares.end(),
                                  [&](double square) { return square > least * least; });
  return static_cast<std::size_t>(rank) > options.limit;
}

// Takes from the rows of y what lies in the span of the basis. Twice is enough (Kahan).
void make_orthogonal(MatrixView<double> y, MatrixView<const double> basis) {
  if (basis.rows == 0) return;
  Matrix<double> coefficients(y.rows, basis.rows);
  for (int round = 0; round < 2; ++round) {
    multiply<double>(1, y, Transposed::no, basis, Transposed::yes, 0, coefficients.view());
    multiply<double>(-1, coefficients.view(), Transposed::no, basis, Transposed::no, 1, y);
  }
}

}  // namespace

double noise_level(double element_error, std::size_t rows, std::size_t cols) {
  // The largest singular value of a matrix of independent errors (Bai and Yin 1993).
  return 2 * element_error *
         (std::sqrt(static_cast<double>(rows)) + std::sqrt(static_cast<double>(cols)));
}

template <class T>
std::optional<LowRank> low_rank_factor(MatrixView<const T> a, const LowRankOptions& options) {
  const std::size_t most = std::min({options.limit + kOversampling, a.rows, a.cols});
  if (options.limit == 0 || part_exceeds<T>(a, options)) return std::nullopt;
  const double all = squared_norm<T>(a);
  const double elements = static_cast<double>(a.rows) * static_cast<double>(a.cols);
  // |a|^2 - |QQ^T a|^2 is what is left; the difference of two sums in f64 is not known better than
  // to a few units in their last places.
  const double allowed =
      std::max(4 * options.element_error * options.element_error * elements, 1e-15 * all);
  LowRank found{Matrix<double>(most, a.rows), Matrix<double>(most, a.cols)};
  double captured = 0;
  for (std::size_t rank = 0; rank < most;) {
    const std::size_t count = std::min(std::max(kFirstSketch, rank), most - rank);
    const MatrixView<double> fresh = found.basis.view().row_block(rank, count);
    const MatrixView<double> coordinates = found.coordinates.view().row_block(rank, count);
    images<T, double>(a, Side::right, random_signs(rank, count, a.cols).view(), {}, fresh);
    make_orthogonal(fresh, found.basis.view().row_block(0, rank));
    orthonormalise_rows(fresh);
    // New directions may come from rounding errors alone, and then not be orthogonal to the others.
    make_orthogonal(fresh, found.basis.view().row_block(0, rank));
    orthonormalise_rows(fresh);
    images<T, double>(a, Side::left, fresh, {}, coordinates);
    captured += squared_norm<double>(coordinates);
    rank += count;
    if (all - captured > allowed) continue;
    found.basis.keep_rows(rank);
    found.coordinates.keep_rows(rank);
    // What is left may still be one direction's error, since random vectors mix the rounding errors
    // of all columns in. A step of subspace iteration turns the basis to where it belongs.
    orthonormalise_rows(found.coordinates.view());
    images<T, double>(a, Side::right, found.coordinates.view(), {}, found.basis.view());
    orthonormalise_rows(found.basis.view());
    images<T, double>(a, Side::left, found.basis.view(), {}, found.coordinates.view());
    return found;
  }
  return std::nullopt;
}

template std::optional<LowRank> low_rank_factor(MatrixView<const float>, const LowRankOptions&);
template std::optional<LowRank> low_rank_factor(MatrixView<const double>, const LowRankOptions&);

}  // namespace merganser
