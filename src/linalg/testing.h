// For tests: matrices with known properties, and references in long double.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "linalg/matrix.h"

namespace merganser::test {

template <class T>
Matrix<T> gaussian(std::size_t rows, std::size_t cols, unsigned seed, double deviation = 1) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> draw(0, deviation);
  Matrix<T> a(rows, cols);
  for (std::size_t i = 0; i < rows * cols; ++i) a.data()[i] = static_cast<T>(draw(engine));
  return a;
}

// op(a) op(b), plainly.
template <class T, class R>
Matrix<double> product(MatrixView<const T> a, bool ta, MatrixView<const R> b, bool tb) {
  const std::size_t m = ta ? a.cols : a.rows, n = tb ? b.rows : b.cols;
  const std::size_t inner = ta ? a.rows : a.cols;
  Matrix<double> c(m, n);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      long double sum = 0;
      for (std::size_t k = 0; k < inner; ++k) {
        sum += static_cast<long double>(ta ? a(k, i) : a(i, k)) * (tb ? b(j, k) : b(k, j));
      }
      c(i, j) = static_cast<double>(sum);
    }
  }
  return c;
}

template <class A, class B>
double max_difference(const A& a, const B& b) {
  EXPECT_EQ(a.rows(), b.rows());
  EXPECT_EQ(a.cols(), b.cols());
  double most = 0;
  for (std::size_t i = 0; i < a.rows() * a.cols(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a.data()[i]) - b.data()[i]));
  }
  return most;
}

inline Matrix<double> identity(std::size_t n) {
  Matrix<double> a(n, n);
  for (std::size_t i = 0; i < n * n; ++i) a.data()[i] = i % (n + 1) == 0 ? 1 : 0;
  return a;
}

// Random orthonormal rows, by Gram and Schmidt.
inline Matrix<double> orthonormal_rows(std::size_t rows, std::size_t cols, unsigned seed) {
  Matrix<double> q = gaussian<double>(rows, cols, seed);
  for (std::size_t r = 0; r < rows; ++r) {
    for (int round = 0; round < 2; ++round) {
      for (std::size_t p = 0; p < r; ++p) {
        double dot = 0;
        for (std::size_t c = 0; c < cols; ++c) dot += q(r, c) * q(p, c);
        for (std::size_t c = 0; c < cols; ++c) q(r, c) -= dot * q(p, c);
      }
    }
    double norm = 0;
    for (std::size_t c = 0; c < cols; ++c) norm += q(r, c) * q(r, c);
    for (std::size_t c = 0; c < cols; ++c) q(r, c) /= std::sqrt(norm);
  }
  return q;
}

// A matrix with these singular values and random vectors.
template <class T>
Matrix<T> with_values(std::size_t rows, std::size_t cols, std::span<const double> s,
                      unsigned seed) {
  const Matrix<double> ut = orthonormal_rows(s.size(), rows, seed);
  const Matrix<double> vt = orthonormal_rows(s.size(), cols, seed + 1);
  Matrix<T> a(rows, cols);
  std::vector<double> sums(cols);
  for (std::size_t i = 0; i < rows; ++i) {
    std::fill(sums.begin(), sums.end(), 0);
    for (std::size_t k = 0; k < s.size(); ++k) {
      const double factor = ut(k, i) * s[k];
      for (std::size_t j = 0; j < cols; ++j) sums[j] += factor * vt(k, j);
    }
    for (std::size_t j = 0; j < cols; ++j) a(i, j) = static_cast<T>(sums[j]);
  }
  return a;
}

}  // namespace merganser::test
