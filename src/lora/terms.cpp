#include "lora/terms.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <tuple>
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

std::vector<std::size_t> spread_budget(std::span<const Spectrum> modules, std::uint64_t budget) {
  std::vector<std::size_t> ranks(modules.size(), 0);
  using Offer = std::pair<double, std::size_t>;  // of a module's next term
  const auto worse = [](const Offer& a, const Offer& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  };
  std::priority_queue<Offer, std::vector<Offer>, decltype(worse)> offers(worse);
  const auto offer = [&](std::size_t i) {
    const Spectrum& module = modules[i];
    if (ranks[i] == module.s.size()) return;
    const double s = module.s[ranks[i]];
    offers.emplace(s * s / static_cast<double>(module.cost), i);
  };
  for (std::size_t i = 0; i < modules.size(); ++i) offer(i);
  while (!offers.empty()) {
    const std::size_t i = offers.top().second;
    offers.pop();
    if (modules[i].cost > budget) continue;  // nor do its later terms fit
    budget -= modules[i].cost;
    ++ranks[i];
    offer(i);
  }
  return ranks;
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
