#include "linalg/krylov_bound.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "linalg/eigen.h"
#include "linalg/gram.h"
#include "linalg/multiply.h"
#include "linalg/qr.h"
#include "linalg/testing.h"
#include "linalg/truncated_svd.h"

namespace merganser::test {
namespace {

// Columns turned by a random reflection, so that no basis is special; the values stay.
Matrix<double> turned(Matrix<double> a, unsigned seed) {
  const auto v = gaussian<double>(1, a.cols(), seed);
  const double length = squared_norm<double>(v.view());
  for (std::size_t r = 0; r < a.rows(); ++r) {
    double dot = 0;
    for (std::size_t c = 0; c < a.cols(); ++c) dot += a(r, c) * v(0, c);
    for (std::size_t c = 0; c < a.cols(); ++c) a(r, c) -= 2 * dot / length * v(0, c);
  }
  return a;
}

Matrix<double> diagonal(std::span<const double> s, unsigned seed) {
  Matrix<double> a(s.size(), s.size());
  std::fill_n(a.data(), s.size() * s.size(), 0.0);
  for (std::size_t i = 0; i < s.size(); ++i) a(i, i) = s[i];
  return turned(std::move(a), seed);
}

// Spectra of all kinds, descending.
std::vector<double> spectrum(std::size_t n, unsigned seed) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> draw;
  std::vector<double> s(n);
  const double exponent = 2 * draw(engine), outlier = std::pow(10, 3 * draw(engine));
  const auto rank = static_cast<std::size_t>(draw(engine) * 80) + 1;
  const double noise = std::pow(10, -3 * draw(engine));
  for (std::size_t i = 0; i < n; ++i) {
    const auto t = static_cast<double>(i);
    switch (seed % 6) {
      case 0:
        s[i] = std::pow(t + 1, -exponent);
        break;
      case 1:
        s[i] = i < rank ? 1 : noise * (0.2 + draw(engine));
        break;
      case 2:
        s[i] = draw(engine);
        break;
      case 3:
        s[i] = i < 3 ? outlier : std::pow(t + 1, -exponent);
        break;
      case 4:
        s[i] = std::exp(-t / static_cast<double>(rank)) + 0.1 * noise;
        break;
      default:
        s[i] = (i < rank ? 1 - 0.3 * t / static_cast<double>(rank) : noise);
        break;
    }
  }
  std::ranges::sort(s, std::greater<>());
  return s;
}

TEST(KrylovBound, TopSumIsNeverBelowTheTruth) {
  // B = [T R^T; R C] with T diagonal, all known.
  for (unsigned seed = 0; seed < 60; ++seed) {
    constexpr std::size_t kSpace = 12, kRest = 20, kAll = kSpace + kRest;
    const auto s = spectrum(kAll, seed);
    // Mostly the right space, turned somewhat.
    Matrix<double> basis = gaussian<double>(kAll, kAll, seed + 1, std::pow(10, -(seed % 4 + 1.0)));
    for (std::size_t i = 0; i < kAll; ++i) basis(i, i) += 1;
    orthonormalise_rows(basis.view());
    Matrix<double> b(kAll, kAll);
    for (std::size_t r = 0; r < kAll; ++r) {
      for (std::size_t c = 0; c < kAll; ++c) {
        b(r, c) = 0;
        for (std::size_t i = 0; i < kAll; ++i) b(r, c) += basis(r, i) * s[i] * basis(c, i);
      }
    }
    const auto part = [&](std::size_t r0, std::size_t c0, std::size_t rows, std::size_t cols) {
      Matrix<double> copy(rows, cols);
      for (std::size_t r = 0; r < rows; ++r) std::copy_n(&b(r0 + r, c0), cols, copy.row(r));
      return copy;
    };
    const Eigen inner = symmetric_eigen(part(0, 0, kSpace, kSpace));
    const double rest = symmetric_eigenvalues(part(kSpace, kSpace, kRest, kRest))[0];
    Matrix<double> taken(kRest, kSpace), coupling(kSpace, kSpace);
    const Matrix<double> beside = part(kSpace, 0, kRest, kSpace);
    multiply<double>(1, beside.view(), Transposed::no, inner.vectors.view(), Transposed::yes, 0,
                     taken.view());
    multiply<double>(1, taken.view(), Transposed::yes, taken.view(), Transposed::no, 0,
                     coupling.view());
    for (const std::size_t k : {1, 4, 12}) {
      const double truth = std::accumulate(s.begin(), s.begin() + static_cast<long>(k), 0.0);
      EXPECT_GE(bound_top_sum(inner.values, coupling.view(), k, rest, 0), truth * (1 - 1e-12))
          << seed << " " << k;
    }
  }
}

TEST(KrylovBound, ComplementIsNeverLargerThanItsBound) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    const auto s = spectrum(150, seed);
    const Matrix<double> a = diagonal(s, seed);
    const Operator<double> op(a.view(), std::sqrt(squared_norm<double>(a.view())));
    Basis<double> basis(op, 16);
    Matrix<double> start(16, 150);
    fill_normal<double>(start.view(), seed, 0);
    basis.add(start.view());
    // a (1 - QQ^T)
    Matrix<double> rest(150, 150);
    std::copy_n(a.data(), 150 * 150, rest.data());
    basis.project_out(rest.view());
    const double energy = squared_norm<double>(a.view());
    const double truth = symmetric_eigenvalues(gram<double>(rest.view(), Side::left))[0] / energy;
    ComplementBound<double> bound(op, basis, seed, 1);
    EXPECT_EQ(bound.value(), std::numeric_limits<double>::infinity());
    while (bound.step()) EXPECT_GE(bound.value(), truth * (1 - 1e-10));
    EXPECT_LE(bound.value(), 2 * truth);
  }
}

// The whole: the bound is never below the true excess, in f32, with spaces that are stopped early.
TEST(KrylovBound, ExcessIsNeverBelowTheTruth) {
  std::size_t krylov = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    const auto s = spectrum(512, seed);
    const Matrix<double> wide = diagonal(s, seed);
    Matrix<float> a(512, 512);
    std::copy_n(wide.data(), 512 * 512, a.data());
    const std::size_t rank = 1 + seed * 7 % 30;
    const double excess = std::pow(10, -1 - static_cast<double>(seed % 4));
    const auto svd =
        truncated_svd<float>(a.view(), {.rank = rank, .excess = excess, .seed = seed / 2});
    double best = 0;
    for (std::size_t i = s.size(); i-- > rank;) best += s[i] * s[i];
    best = std::sqrt(best / svd.energy);
    EXPECT_LE(svd.residual, best * (1 + svd.excess) * (1 + 1e-6) + 1e-7) << seed;
    EXPECT_LE(svd.excess, excess);
    krylov += svd.way == SvdWay::krylov;
  }
  EXPECT_GT(krylov, 16u);
}

// More equal values than a block has vectors: the space sees a part of them, and their vectors are
// exact there. What is certified must not believe it.
TEST(KrylovBound, EqualValuesAreNotMissed) {
  std::vector<double> s(540, 0.01);
  std::fill_n(s.begin(), 48, 1.0);
  for (unsigned seed = 0; seed < 8; ++seed) {
    const Matrix<double> a = diagonal(s, seed);
    const auto svd = truncated_svd<double>(a.view(), {.rank = 48, .seed = seed});
    ASSERT_EQ(svd.s.size(), 48u);
    EXPECT_NEAR(svd.s[47], 1, 1e-6) << name_of(svd.way);
  }
}

}  // namespace
}  // namespace merganser::test
