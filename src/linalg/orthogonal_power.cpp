#include "linalg/orthogonal_power.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "linalg/fortran.h"
#include "linalg/multiply.h"

namespace merganser {
namespace {

// Rows i and j of z, turned by an angle.
void turn(MatrixView<double> z, std::size_t i, std::size_t j, double angle) {
  const double c = std::cos(angle), s = std::sin(angle);
  for (std::size_t k = 0; k < z.cols; ++k) {
    const double x = z(i, k), y = z(j, k);
    z(i, k) = c * x + s * y;
    z(j, k) = c * y - s * x;
  }
}

}  // namespace

Matrix<double> orthogonal_power(Matrix<double> q, double power) {
  const std::size_t size = q.rows();
  const int n = fortran::square_integer(size);
  Matrix<double> z(size, size);
  std::vector<double> real(size), imaginary(size), work(1);
  int found = 0, info = 0, length = -1;
  const char vectors = 'V', unsorted = 'N';
  for (int round = 0; round < 2; ++round) {  // the first asks for the workspace
    // What LAPACK takes for columns are rows here: it decomposes the transpose, z t z^T.
    dgees_(&vectors, &unsorted, nullptr, &n, q.data(), &n, &found, real.data(), imaginary.data(),
           z.data(), &n, work.data(), &length, nullptr, &info, 1, 1);
    fortran::check(info, "dgees");
    if (round == 1) break;
    length = static_cast<int>(work[0]);
    work.resize(static_cast<std::size_t>(length));
  }
  // q is normal, so its Schur form is block-diagonal but for rounding. Row r of q holds column r.
  Matrix<double> turned(size, size);
  std::copy_n(z.data(), size * size, turned.data());
  std::size_t half_turned = size;  // a row of eigenvalue -1 that waits for its partner
  for (std::size_t i = 0; i < size;) {
    if (i + 1 < size && q(i, i + 1) != 0) {
      const double cosine = (q(i, i) + q(i + 1, i + 1)) / 2;
      const double sine = (q(i, i + 1) - q(i + 1, i)) / 2;
      turn(turned.view(), i, i + 1, power * std::atan2(sine, cosine));
      i += 2;
      continue;
    }
    if (q(i, i) < 0) {
      if (half_turned == size) {
        half_turned = i;
      } else {
        turn(turned.view(), half_turned, i, power * std::acos(-1.0));
        half_turned = size;
      }
    }
    ++i;
  }
  Matrix<double> result(size, size);
  multiply<double>(1, z.view(), Transposed::yes, turned.view(), Transposed::no, 0, result.view());
  return result;
}

}  // namespace merganser
