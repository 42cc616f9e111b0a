#include "lora/terms.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "linalg/multiply.h"
#include "linalg/qr.h"
#include "linalg/svd.h"

namespace merganser {
namespace {

void drop_small(Svd<double>& svd, double resolution) {
  std::size_t rank = svd.s.size();
  while (rank > 0 && !(svd.s[rank - 1] > resolution * svd.s[0])) --rank;
  svd.s.resize(rank);
  svd.ut.keep_rows(rank);
  svd.vt.keep_rows(rank);
}

Terms terms_of(Svd<double> svd, double resolution) {
  drop_small(svd, resolution);
  return {std::move(svd.ut), std::move(svd.vt), std::move(svd.s), svd.energy};
}

Matrix<double> product(const Matrix<double>& a, Transposed op_a, const Matrix<double>& b) {
  Matrix<double> c(op_a == Transposed::yes ? a.cols() : a.rows(), b.cols());
  multiply<double>(1, a.view(), op_a, b.view(), Transposed::no, 0, c.view());
  return c;
}

}  // namespace

std::size_t choose_rank(std::span<const double> s, double energy, const RankRule& rule) {
  const auto limit = static_cast<std::size_t>(std::min<std::uint64_t>(rule.most, s.size()));
  std::size_t rank = 0;
  double held = 0;
  while (rank < limit && s[rank] > rule.sv_epsilon) {
    if (rule.energy < 1 && held >= rule.energy * energy) break;
    held += s[rank] * s[rank];
    ++rank;
  }
  return rank;
}

double residual(std::span<const double> s, std::size_t rank, double energy) {
  if (!(energy > 0)) return 0;
  // The smallest first, for the sum's last digits: of a full rank nothing should be left.
  double kept = 0;
  for (std::size_t i = std::min(rank, s.size()); i-- > 0;) kept += s[i] * s[i];
  return std::sqrt(std::max(0.0, energy - kept) / energy);
}

Terms singular_terms(Matrix<double> left, Matrix<double> right, double resolution) {
  const std::size_t terms = left.rows();
  if (terms > std::min(left.cols(), right.cols())) {
    return terms_of(thin_svd<double>(product(left, Transposed::yes, right).view()), resolution);
  }
  // left = L1 Q1, right = L2 Q2, so left^T right = Q1^T (L1^T L2) Q2.
  const Matrix<double> left_triangle = orthonormalise_rows(left.view());
  const Matrix<double> right_triangle = orthonormalise_rows(right.view());
  Terms inner = terms_of(
      thin_svd<double>(product(left_triangle, Transposed::yes, right_triangle).view()), resolution);
  inner.left = product(inner.left, Transposed::no, left);
  inner.right = product(inner.right, Transposed::no, right);
  return inner;
}

}  // namespace merganser
