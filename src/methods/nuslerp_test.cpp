#include <gtest/gtest.h>

#include <numbers>

#include "methods/testing.h"

namespace merganser::test {
namespace {

enum class Vectors { tensor, rows, columns };

Settings weighted(double w0, double w1, Vectors vectors = Vectors::tensor) {
  return settings_of("nuslerp",
                     {{"nuslerp_flatten", vectors == Vectors::tensor},
                      {"nuslerp_row_wise", vectors == Vectors::columns}},
                     weights({w0, w1}));
}

// Of the elements first, first + step ... of two arrays, `count` of them.
template <class T>
void reference(const std::vector<T>& a, const std::vector<T>& b, std::size_t first,
               std::size_t step, std::size_t count, double t, std::vector<Term>& terms) {
  Exact aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Exact x = a[first + i * step], y = b[first + i * step];
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  const Exact norms = std::max<Exact>(std::sqrt(aa), 1e-7L) * std::max<Exact>(std::sqrt(bb), 1e-7L);
  const Exact c = std::clamp<Exact>(ab / norms, -1, 1), angle = std::acos(c);
  Exact fa = 1 - Exact{t}, fb = t;
  if (1 - c * c > 1e-12L) {
    fa = std::sin((1 - Exact{t}) * angle) / std::sin(angle);
    fb = std::sin(t * angle) / std::sin(angle);
  }
  for (std::size_t i = 0; i < count; ++i) {
    terms[first + i * step].add(fa * a[first + i * step]);
    terms[first + i * step].add(fb * b[first + i * step]);
  }
}

template <class T>
std::vector<Term> reference(const std::vector<T>& a, const std::vector<T>& b, const Shape& shape,
                            Vectors vectors, double t) {
  std::vector<Term> terms(a.size());
  if (a.empty()) return terms;
  const std::size_t row = shape.back(), column = a.size() / shape.front();
  if (vectors == Vectors::tensor || shape.size() == 1) {
    reference(a, b, 0, 1, a.size(), t, terms);
  } else if (vectors == Vectors::rows) {
    for (std::size_t i = 0; i < a.size(); i += row) reference(a, b, i, 1, row, t, terms);
  } else {
    for (std::size_t i = 0; i < column; ++i) {
      reference(a, b, i, column, shape.front(), t, terms);
    }
  }
  return terms;
}

// As of slerp, and the base is added. Double: factors of f64 sums and acos lose a few ulp more.
template <class T>
constexpr int kRoundings = std::is_same_v<T, float> ? 5 : 60;

template <class T>
class NuSlerp : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(NuSlerp, Types);

TYPED_TEST(NuSlerp, WrittenOut) {
  using T = TypeParam;
  // t = 1/3 of a right angle: sin 60 deg a + sin 30 deg b.
  const auto y = merge_one<T>("nuslerp", {{}, {{2, 0}, {0, 4}}, weighted(2, 1)});
  EXPECT_NEAR(y[0], 2 * std::sqrt(3.0) / 2, 1e-6);
  EXPECT_NEAR(y[1], 2, 1e-6);
  const auto z = merge_one<T>("nuslerp", {{1, 1}, {{3, 1}, {1, 5}}, weighted(2, 1)});
  EXPECT_NEAR(z[0], 1 + 2 * std::sqrt(3.0) / 2, 1e-6);
  EXPECT_NEAR(z[1], 1 + 2, 1e-6);
  EXPECT_EQ(merge_one<T>("nuslerp", {{}, {{}, {}}, weighted(1, 1)}), std::vector<T>{});
}

TYPED_TEST(NuSlerp, RowWiseMeansColumns) {
  using T = TypeParam;
  // Rows: (1, 0) and (0, 1) at a right angle, (0, 2) and (0, 4) on a line.
  const std::vector<T> a = {1, 0, 0, 2}, b = {0, 1, 0, 4};
  const Shape shape = {2, 2};
  const double half = std::sqrt(0.5);
  const auto rows =
      merge_one<T>("nuslerp", {{}, {a, b}, weighted(1, 1, Vectors::rows), "w", shape});
  EXPECT_NEAR(rows[0], half, 1e-6);
  EXPECT_NEAR(rows[1], half, 1e-6);
  EXPECT_EQ(rows[2], 0);
  EXPECT_EQ(rows[3], 3);
  // Columns: (1, 0) and (0, 0): a vector of no length stands at a right angle; (0, 2) and (1, 4).
  const auto columns =
      merge_one<T>("nuslerp", {{}, {a, b}, weighted(1, 1, Vectors::columns), "w", shape});
  EXPECT_NEAR(columns[0], half, 1e-6);
  EXPECT_EQ(columns[2], 0);
  const double angle = std::acos(4 / std::sqrt(17.0)), f = std::sin(angle / 2) / std::sin(angle);
  EXPECT_NEAR(columns[1], f, 1e-6);
  EXPECT_NEAR(columns[3], 6 * f, 1e-6);
}

TYPED_TEST(NuSlerp, EqualsReference) {
  using T = TypeParam;
  const std::vector<Shape> shapes = {{2},       {2048},  {5000}, {40, 65}, {3, 5, 7},
                                     {5, 3000}, {1, 70}, {0, 5}, {5, 0},   {3000, 2}};
  for (const Shape& shape : shapes) {
    const std::size_t n = elements(shape);
    // Something in common: of short vectors some would be nearly opposite, where the arc's
    // coefficients have no limit.
    const std::vector<T> common(n, 2);
    const auto base = normal<T>(n, 5, 0.1), x0 = tuned(common, 1, 0.5), x1 = tuned(common, 2, 0.8);
    const auto d0 = delta(x0, base), d1 = delta(x1, base);
    for (const Vectors vectors : {Vectors::tensor, Vectors::rows, Vectors::columns}) {
      SCOPED_TRACE(testing::Message() << testing::PrintToString(shape) << int(vectors));
      for (const double w1 : {0.25, 0.9}) {
        const Settings settings = weighted(1 - w1, w1, vectors);
        expect_rounded(merge_one<T>("nuslerp", {{}, {x0, x1}, settings, "w", shape}),
                       reference(x0, x1, shape, vectors, w1), kRoundings<T>);
        auto terms = reference(d0, d1, shape, vectors, w1);
        for (std::size_t i = 0; i < n; ++i) terms[i].add(base[i]);
        if (n == 0) continue;  // an empty base is none
        expect_rounded(merge_one<T>("nuslerp", {base, {x0, x1}, settings, "w", shape}), terms,
                       kRoundings<T>);
      }
    }
  }
}

TYPED_TEST(NuSlerp, LinesAndNothing) {
  using T = TypeParam;
  for (const Vectors vectors : {Vectors::tensor, Vectors::rows, Vectors::columns}) {
    const Settings quarter = weighted(3, 1, vectors);
    EXPECT_EQ(merge_one<T>("nuslerp", {{}, {{1, 2}, {2, 4}}, quarter}),
              (std::vector<T>{1.25, 2.5}));
    EXPECT_EQ(merge_one<T>("nuslerp", {{}, {{1, -2}, {-1, 2}}, quarter}),
              (std::vector<T>{0.5, -1}));
    EXPECT_EQ(merge_one<T>("nuslerp", {{}, {{8}, {-4}}, quarter}), std::vector<T>{5});
    EXPECT_EQ(merge_one<T>("nuslerp", {{}, {{0, 0}, {0, 0}}, quarter}), (std::vector<T>{0, 0}));
    // Against a vector of no length: sin(t pi/2).
    const auto y = merge_one<T>("nuslerp", {{}, {{0, 0}, {1, -2}}, quarter});
    EXPECT_NEAR(y[0], std::sin(std::numbers::pi / 8), 1e-7);
    // Neither moved: the base.
    EXPECT_EQ(merge_one<T>("nuslerp", {{1, 2}, {{1, 2}, {1, 2}}, quarter}), (std::vector<T>{1, 2}));
  }
  // Opposite but for rounding: -3 x has another cosine than -1 in the last digits.
  const auto x = normal<T>(3000, 1);
  std::vector<T> opposite = x;
  for (T& v : opposite) v *= T{-3.1};
  const auto y = merge_one<T>("nuslerp", {{}, {x, opposite}, weighted(1, 1)});
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], -1.05 * x[i], 1e-5);
}

TYPED_TEST(NuSlerp, WeightsWithoutASumCountAlike) {
  using T = TypeParam;
  const auto y = merge_one<T>("nuslerp", {{}, {{1, 0}, {0, 1}}, weighted(1, -1)});
  EXPECT_NEAR(y[0], std::sqrt(0.5), 1e-7);
  EXPECT_NEAR(y[1], std::sqrt(0.5), 1e-7);
}

TEST(NuSlerpFacts, ArePositionAndCosine) {
  const Made<double> one{{}, {{1, 0}, {1, 1}}, weighted(3, 1)};
  GroupRun<double> run(require_method("nuslerp"), {&one}, {});
  run.run();
  const auto facts = run.merger().facts(0);
  EXPECT_EQ(facts.at(0).name, "t");
  EXPECT_EQ(facts[0].values.at(0), 0.25);
  EXPECT_EQ(facts.at(1).name, "cosine");
  EXPECT_NEAR(facts[1].values.at(0), std::sqrt(0.5), 1e-12);
}

TEST(NuSlerpOutline, CopiesAndUnits) {
  const Descriptor& method = require_method("nuslerp");
  EXPECT_EQ(outline_of(method, weighted(1, 0)).copy, 0u);
  EXPECT_EQ(outline_of(method, weighted(0, 2)).copy, 1u);
  EXPECT_EQ(outline_of(method, weighted(1, 1)).sweeps, 2u);
  EXPECT_EQ(outline_of(method, weighted(1, 1)).unit, Unit::element);
  EXPECT_EQ(outline_of(method, weighted(1, 1, Vectors::rows)).sweeps, 1u);
  EXPECT_EQ(outline_of(method, weighted(1, 1, Vectors::rows)).unit, Unit::row);
  const Outline columns = outline_of(method, weighted(1, 1, Vectors::columns), {4, 6});
  EXPECT_EQ(columns.unit, Unit::tensor);
  EXPECT_EQ(columns.workspace, 6u * 5 * 8);
  EXPECT_EQ(outline_of(method, weighted(1, 1, Vectors::columns), {6}).unit, Unit::row);
}

}  // namespace
}  // namespace merganser::test
