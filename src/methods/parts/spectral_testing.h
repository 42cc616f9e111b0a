// For the tests of methods on matrices: a singular value decomposition that shares nothing with the
// program's (one-sided Jacobi rotations, in long double), and small matrix arithmetic.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "methods/testing.h"

namespace merganser::test {

// Row-major, in long double.
struct Dense {
  std::size_t rows = 0, cols = 0;
  std::vector<Exact> data;

  Dense() = default;
  Dense(std::size_t m, std::size_t n) : rows(m), cols(n), data(m * n) {}
  template <class T>
  Dense(std::size_t m, std::size_t n, const std::vector<T>& values)
      : rows(m), cols(n), data(values.begin(), values.end()) {}

  Exact& operator()(std::size_t r, std::size_t c) { return data[r * cols + c]; }
  Exact operator()(std::size_t r, std::size_t c) const { return data[r * cols + c]; }
};

inline Dense operator*(const Dense& a, const Dense& b) {
  Dense c(a.rows, b.cols);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t k = 0; k < a.cols; ++k) {
      for (std::size_t j = 0; j < b.cols; ++j) c(i, j) += a(i, k) * b(k, j);
    }
  }
  return c;
}

inline Dense operator*(Exact factor, Dense a) {
  for (Exact& x : a.data) x *= factor;
  return a;
}

inline Dense operator+(Dense a, const Dense& b) {
  for (std::size_t i = 0; i < a.data.size(); ++i) a.data[i] += b.data[i];
  return a;
}

inline Dense operator-(Dense a, const Dense& b) { return std::move(a) + Exact{-1} * b; }

inline Dense transpose(const Dense& a) {
  Dense t(a.cols, a.rows);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.cols; ++j) t(j, i) = a(i, j);
  }
  return t;
}

struct DenseSvd {
  Dense u, vt;  // m x k, k x n
  std::vector<Exact> s;
};

// Triples with values above 1e-6 of the largest, at most `most`.
inline DenseSvd jacobi_svd(const Dense& a, std::size_t most = 1000) {
  if (a.rows < a.cols) {
    DenseSvd turned = jacobi_svd(transpose(a), most);
    return {transpose(turned.vt), transpose(turned.u), turned.s};
  }
  Dense w = a, v(a.cols, a.cols);
  for (std::size_t i = 0; i < a.cols; ++i) v(i, i) = 1;
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool turned = false;
    for (std::size_t p = 0; p < a.cols; ++p) {
      for (std::size_t q = p + 1; q < a.cols; ++q) {
        Exact pp = 0, qq = 0, pq = 0;
        for (std::size_t i = 0; i < a.rows; ++i) {
          pp += w(i, p) * w(i, p);
          qq += w(i, q) * w(i, q);
          pq += w(i, p) * w(i, q);
        }
        if (std::abs(pq) <= 1e-18L * std::sqrt(pp * qq) || pq == 0) continue;
        turned = true;
        const Exact zeta = (qq - pp) / (2 * pq);
        const Exact t = (zeta >= 0 ? 1 : -1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const Exact c = 1 / std::sqrt(1 + t * t), s = c * t;
        for (Dense* m : {&w, &v}) {
          for (std::size_t i = 0; i < m->rows; ++i) {
            const Exact x = (*m)(i, p), y = (*m)(i, q);
            (*m)(i, p) = c * x - s * y;
            (*m)(i, q) = s * x + c * y;
          }
        }
      }
    }
    if (!turned) break;
  }
  std::vector<Exact> norms(a.cols);
  for (std::size_t j = 0; j < a.cols; ++j) {
    for (std::size_t i = 0; i < a.rows; ++i) norms[j] += w(i, j) * w(i, j);
    norms[j] = std::sqrt(norms[j]);
  }
  std::vector<std::size_t> order(a.cols);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t x, std::size_t y) { return norms[x] > norms[y]; });
  std::size_t rank = 0;
  while (rank < std::min(most, a.cols) && norms[order[rank]] > 1e-6L * norms[order[0]]) ++rank;
  DenseSvd svd{Dense(a.rows, rank), Dense(rank, a.cols), {}};
  for (std::size_t k = 0; k < rank; ++k) {
    svd.s.push_back(norms[order[k]]);
    for (std::size_t i = 0; i < a.rows; ++i) svd.u(i, k) = w(i, order[k]) / norms[order[k]];
    for (std::size_t i = 0; i < a.cols; ++i) svd.vt(k, i) = v(i, order[k]);
  }
  return svd;
}

inline Dense diagonal(const std::vector<Exact>& s) {
  Dense d(s.size(), s.size());
  for (std::size_t i = 0; i < s.size(); ++i) d(i, i) = s[i];
  return d;
}

inline Dense polar(const Dense& a) {
  const DenseSvd svd = jacobi_svd(a);
  return svd.u * svd.vt;
}

// Rows of both, or columns.
inline Dense below(const Dense& a, const Dense& b) {
  Dense c(a.rows + b.rows, b.cols);
  std::copy(b.data.begin(), b.data.end(), std::copy(a.data.begin(), a.data.end(), c.data.begin()));
  return c;
}
inline Dense beside(const Dense& a, const Dense& b) {
  return transpose(below(transpose(a), transpose(b)));
}

// --- merges

template <class T>
struct MatrixCase {
  std::size_t rows, cols;
  Made<T> made;

  std::vector<Dense> deltas() const {
    std::vector<Dense> all;
    for (const auto& model : made.models) all.emplace_back(rows, cols, delta(model, made.base));
    return all;
  }
};

// Fine-tunes of a matrix; rank 0: full.
template <class T>
MatrixCase<T> matrix_case(std::size_t rows, std::size_t cols, std::size_t models, std::size_t rank,
                          Settings settings) {
  MatrixCase<T> one{rows, cols, {}};
  one.made.base = normal<T>(rows * cols, 1, 0.1);
  one.made.shape = {rows, cols};
  one.made.settings = std::move(settings);
  for (unsigned m = 0; m < models; ++m) {
    Dense change(rows, cols, normal<double>(rows * cols, 10 + m, 0.02));
    if (rank > 0) {
      change = Dense(rows, rank, normal<double>(rows * rank, 20 + m, 0.1)) *
               Dense(rank, cols, normal<double>(rank * cols, 30 + m, 0.1));
    }
    std::vector<T> model(rows * cols);
    for (std::size_t i = 0; i < model.size(); ++i) {
      model[i] = static_cast<T>(one.made.base[i] + change.data[i]);
    }
    one.made.models.push_back(std::move(model));
  }
  return one;
}

// Relative to the largest element of the difference. Decompositions of matrices of this size lose a
// few digits beyond the rounding of T itself, which is relative to the base, ten times larger.
template <class T>
constexpr double kMatrixTolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;

// out = base + wanted
template <class T>
void expect_difference(const std::vector<T>& out, const std::vector<T>& base, const Dense& wanted) {
  ASSERT_EQ(out.size(), wanted.data.size());
  Exact largest = 0, worst = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    largest = std::max({largest, std::abs(wanted.data[i]), std::abs(Exact{base[i]}) / 10});
    worst = std::max(worst, std::abs(Exact{out[i]} - base[i] - wanted.data[i]));
  }
  EXPECT_LE(static_cast<double>(worst), kMatrixTolerance<T> * static_cast<double>(largest));
}

// As in a recipe, a parameter per input among the shared ones is every input's.
inline Settings matrix_settings(std::string_view method, std::size_t models,
                                Settings::Table shared = {}) {
  Settings::Table own;
  for (const Parameter& parameter : require_method(method).parameters) {
    if (parameter.scope == ParameterScope::shared) continue;
    if (auto given = shared.extract(std::string(parameter.name))) own.insert(std::move(given));
  }
  return settings_of(method, std::move(shared), std::vector<Settings::Table>(models, own));
}

// What all methods on matrices promise: special shapes, weights, the vocabulary, outlines.
// `plain`: what tensors that are no matrices get, sum (1) or mean of `models` (1 / models).
template <class T>
void check_matrix_method(const std::string& method, bool mean, Settings::Table shared = {}) {
  SCOPED_TRACE(method);
  const auto settings = [&](std::size_t models, Settings::Table more = {}) {
    more.insert(shared.begin(), shared.end());
    return matrix_settings(method, models, std::move(more));
  };
  // Vectors, and tensors of more axes: elementwise.
  for (const Shape& shape : {Shape{12}, Shape{2, 3, 2}, Shape{1, 12, 1}}) {
    auto other = matrix_case<T>(2, 6, 2, 0, settings(2, {{"lambda", 0.5}}));
    other.made.shape = shape;
    other.made.settings.per_input[1]["weight"] = -2.0;
    const auto d = other.deltas();
    const Exact share = mean ? 0.25L : 0.5L;
    expect_difference(merge_one<T>(method, other.made), other.made.base,
                      share * (d[0] - Exact{2} * d[1]));
  }
  // Rows are tokens: elementwise, unless asked for.
  auto tokens = matrix_case<T>(4, 3, 2, 0, settings(2, {{"lambda", 1.0}}));
  tokens.made.vocabulary = true;
  const auto d = tokens.deltas();
  expect_difference(merge_one<T>(method, tokens.made), tokens.made.base,
                    (mean ? 0.5L : 1.0L) * (d[0] + d[1]));
  auto spectral = tokens.made;
  spectral.settings.shared["vocabulary"] = std::string("spectral");
  auto matrix = spectral;
  matrix.vocabulary = false;
  EXPECT_TRUE(same_bits(merge_one<T>(method, spectral), merge_one<T>(method, matrix)));
  // A model of weight 0 is as if it were not there.
  auto three = matrix_case<T>(5, 4, 3, 0, settings(3));
  auto two = three.made;
  three.made.settings.per_input[1]["weight"] = 0.0;
  two.models.erase(two.models.begin() + 1);
  two.settings.per_input.pop_back();
  EXPECT_TRUE(same_bits(merge_one<T>(method, three.made), merge_one<T>(method, two)));
  // No difference: the base, exactly.
  for (const Shape& shape : {Shape{3, 4}, Shape{1, 12}, Shape{12, 1}, Shape{1, 1}, Shape{0, 4}}) {
    Made<T> same;
    same.shape = shape;
    same.base = normal<T>(elements(shape), 3);
    same.models = {same.base, same.base};
    same.settings = settings(2);
    EXPECT_TRUE(same_bits(merge_one<T>(method, same), same.base)) << to_string(shape);
  }
  // One row, one column, one element; one model that is zero. Finite, whatever it is.
  for (const auto& [rows, cols] : {std::pair{1, 7}, std::pair{7, 1}, std::pair{1, 1}}) {
    auto thin = matrix_case<T>(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), 3, 0,
                               settings(3));
    thin.made.models[1] = thin.made.base;
    for (const T x : merge_one<T>(method, thin.made)) EXPECT_TRUE(std::isfinite(x));
  }
  // NaN cannot be decomposed, and says so with the tensor's name. (Elementwise it passes through.)
  auto bad = matrix_case<T>(4, 4, 2, 0, settings(2));
  bad.made.models[1][5] = std::numeric_limits<T>::quiet_NaN();
  EXPECT_THROW(merge_one<T>(method, bad.made), Error);

  const Descriptor& descriptor = require_method(method);
  const Outline whole = outline_of(descriptor, settings(2), {64, 32});
  EXPECT_EQ(whole.unit, Unit::tensor);
  EXPECT_GE(whole.workspace, 64u * 32u);
  EXPECT_GT(outline_of(descriptor, settings(2), {256, 128}).workspace, whole.workspace);
  EXPECT_EQ(outline_of(descriptor, settings(2), {64}).unit, Unit::element);
  EXPECT_EQ(outline_of(descriptor, settings(2), {64}).workspace, 0u);
  EXPECT_EQ(outline_of(descriptor, settings(2, {{"lambda", 0.0}}), {8, 8}).copy,
            Outline::kCopyBase);
  auto none = settings(2);
  none.per_input[0]["weight"] = none.per_input[1]["weight"] = 0.0;
  EXPECT_EQ(outline_of(descriptor, none, {8, 8}).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(descriptor, settings(1, {{"lambda", 1.0}}), {8}).copy, 0u);
}

}  // namespace merganser::test
