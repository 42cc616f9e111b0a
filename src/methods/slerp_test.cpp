#include <gtest/gtest.h>

#include <numbers>

#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings at(double t, bool normalize = false, const char* scope = "tensor") {
  return settings_of("slerp", {{"t", t}, {"normalize", normalize}, {"scope", scope}}, {{}});
}

struct Sums {
  Exact a2 = 0, b2 = 0, ab = 0;
  template <class T>
  void add(const std::vector<T>& a, const std::vector<T>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      a2 += Exact{a[i]} * a[i];
      b2 += Exact{b[i]} * b[i];
      ab += Exact{a[i]} * b[i];
    }
  }
};

template <class T>
std::vector<Term> reference(const std::vector<T>& a, const std::vector<T>& b, const Sums& sums,
                            double t, bool normalize) {
  Exact na = std::sqrt(sums.a2), nb = std::sqrt(sums.b2);
  const Exact ua = na > 1e-8L ? na : 1, ub = nb > 1e-8L ? nb : 1;
  const Exact cosine = std::clamp<Exact>(sums.ab / (ua * ub), -1, 1);
  Exact fa = 1 - Exact{t}, fb = t;
  if (std::abs(cosine) <= 0.9995L) {
    const Exact angle = std::acos(cosine);
    fa = std::sin((1 - Exact{t}) * angle) / std::sin(angle);
    fb = std::sin(t * angle) / std::sin(angle);
  }
  if (normalize) {
    const Exact norm = (1 - Exact{t}) * na + t * nb;
    fa *= norm / ua;
    fb *= norm / ub;
  }
  std::vector<Term> terms(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    terms[i].add(fa * a[i]);
    terms[i].add(fb * b[i]);
  }
  return terms;
}

// Float: a factor rounded to T, a product, a sum. Double: the factors themselves come from f64 sums
// and acos, which for vectors at no small angle lose a few ulp.
template <class T>
constexpr int kRoundings = std::is_same_v<T, float> ? 4 : 40;

template <class T>
class Slerp : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Slerp, Types);

TYPED_TEST(Slerp, WrittenOut) {
  using T = TypeParam;
  // A right angle: y = sin(60 deg) a + sin(30 deg) b at t = 1/3; not the shorter chord.
  const auto y = merge_one<T>("slerp", {{2, 0}, {{0, 4}}, at(1.0 / 3)});
  EXPECT_NEAR(y[0], 2 * std::sqrt(3.0) / 2, 1e-6);
  EXPECT_NEAR(y[1], 2, 1e-6);
  EXPECT_EQ(merge_one<T>("slerp", {{}, {{}}, at(0.5)}), std::vector<T>{});
}

TYPED_TEST(Slerp, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    if (n == 1) continue;  // colinear: below
    const auto a = normal<T>(n, 1), b = normal<T>(n, 2, 2);
    Sums sums;
    sums.add(a, b);
    for (const bool normalize : {false, true}) {
      for (const double t : {0.25, 0.5, 0.9, -0.5, 1.5}) {
        SCOPED_TRACE(t);
        expect_rounded(merge_one<T>("slerp", {a, {b}, at(t, normalize)}),
                       reference(a, b, sums, t, normalize), kRoundings<T>);
      }
    }
  }
}

TYPED_TEST(Slerp, TakesShapesOfAnyRank) {
  using T = TypeParam;
  const auto a = normal<T>(105, 1), b = normal<T>(105, 2);
  Sums sums;
  sums.add(a, b);
  for (const Shape& shape : {Shape{3, 5, 7}, Shape{1, 105}, Shape{105, 1}}) {
    expect_rounded(merge_one<T>("slerp", {a, {b}, at(0.3), "w", shape}),
                   reference(a, b, sums, 0.3, false), kRoundings<T>);
  }
}

TYPED_TEST(Slerp, ZeroVectorsHaveNoDirection) {
  using T = TypeParam;
  // cos = 0, so y = sin(t pi/2) b, and not t b (MergeKit, measured).
  const auto y = merge_one<T>("slerp", {{0, 0}, {{1, -2}}, at(0.25)});
  EXPECT_NEAR(y[0], std::sin(std::numbers::pi / 8), 1e-7);
  EXPECT_NEAR(y[1], -2 * std::sin(std::numbers::pi / 8), 1e-7);
  EXPECT_EQ(merge_one<T>("slerp", {{0, 0}, {{0, 0}}, at(0.25)}), (std::vector<T>{0, 0}));
  EXPECT_EQ(merge_one<T>("slerp", {{0, 0}, {{0, 0}}, at(0.25, true)}), (std::vector<T>{0, 0}));
}

TYPED_TEST(Slerp, ColinearAndAntipodalVectorsMoveOnALine) {
  using T = TypeParam;
  EXPECT_EQ(merge_one<T>("slerp", {{1, 2}, {{2, 4}}, at(0.25)}), (std::vector<T>{1.25, 2.5}));
  EXPECT_EQ(merge_one<T>("slerp", {{8}, {{4}}, at(0.25)}), std::vector<T>{7});
  // Antipodal: 0.75 - 0.25 (MergeKit, measured).
  EXPECT_EQ(merge_one<T>("slerp", {{1, -2}, {{-1, 2}}, at(0.25)}), (std::vector<T>{0.5, -1}));
  EXPECT_EQ(merge_one<T>("slerp", {{1, -2}, {{-1, 2}}, at(0.5)}), (std::vector<T>{0, 0}));
}

TYPED_TEST(Slerp, TheLineBeginsAt09995) {
  using T = TypeParam;
  for (const double cosine : {0.9994, 0.9996}) {
    const std::vector<T> a = {1, 0};
    const std::vector<T> b = {static_cast<T>(cosine),
                              static_cast<T>(std::sqrt(1 - cosine * cosine))};
    const auto y = merge_one<T>("slerp", {a, {b}, at(0.5)});
    // On the line the middle lies (1 - cos)/4 below the arc: 1.2e-4, far above any rounding.
    const double angle = std::acos(cosine), line = b[1] / 2;
    const double arc = std::sin(angle / 2) / std::sin(angle) * b[1];
    EXPECT_NEAR(y[1], cosine < 0.9995 ? arc : line, (arc - line) / 10);
    EXPECT_GT((arc - line) / 10, 1e-7);
  }
}

TYPED_TEST(Slerp, NormalizeRestoresTheNorm) {
  using T = TypeParam;
  const auto a = normal<T>(3000, 1), b = normal<T>(3000, 2, 5);
  Sums sums;
  sums.add(a, b);
  const auto y = merge_one<T>("slerp", {a, {b}, at(0.3, true)});
  Sums own;
  own.add(y, y);
  const Exact wanted = 0.7L * std::sqrt(sums.a2) + 0.3L * std::sqrt(sums.b2);
  EXPECT_NEAR(static_cast<double>(std::sqrt(own.a2) / wanted), 1, 1e-6);
}

TYPED_TEST(Slerp, OneAngleOfTheWholeModel) {
  using T = TypeParam;
  // Tensors of different sizes and angles, an empty one, and one with another t (a gradient).
  std::vector<Made<T>> made;
  Sums all;
  const std::vector<std::size_t> sizes = {5000, 1, 2049, 0, 300};
  for (unsigned i = 0; i < sizes.size(); ++i) {
    const auto a = normal<T>(sizes[i], i);
    const auto b = i == 2 ? tuned(a, 50) : normal<T>(sizes[i], 20 + i);
    all.add(a, b);
    made.push_back({a, {b}, at(i == 4 ? 0.8 : 0.4, false, "model"), "w" + std::to_string(i)});
  }
  const auto merged = merge<T>("slerp", made);
  for (std::size_t i = 0; i < made.size(); ++i) {
    SCOPED_TRACE(i);
    expect_rounded(merged[i],
                   reference(made[i].base, made[i].models[0], all, i == 4 ? 0.8 : 0.4, false),
                   kRoundings<T>);
  }
  // It is not the angle of each tensor.
  auto apart = made;
  for (auto& one : apart) one.settings.shared["scope"] = std::string("tensor");
  EXPECT_FALSE(same_bits(merge<T>("slerp", apart)[0], merged[0]));
}

TEST(SlerpOutline, CopiesAtBothEnds) {
  const Descriptor& slerp = require_method("slerp");
  EXPECT_EQ(outline_of(slerp, at(0)).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(slerp, at(1)).copy, 0u);
  EXPECT_EQ(outline_of(slerp, at(0.5)).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(slerp, at(0.5)).sweeps, 2u);
  EXPECT_FALSE(outline_of(slerp, at(0.5)).whole_model);
  const Outline whole = outline_of(slerp, at(0, false, "model"));  // counts for the angle
  EXPECT_EQ(whole.copy, Outline::kNoCopy);
  EXPECT_TRUE(whole.whole_model);
  const float odd = std::bit_cast<float>(0x7FA12345u);
  EXPECT_TRUE(same_bits(merge_one<float>("slerp", {{odd, -0.0f}, {{1, 2}}, at(0)}), {odd, -0.0f}));
  EXPECT_TRUE(same_bits(merge_one<float>("slerp", {{1, 2}, {{odd, -0.0f}}, at(1)}), {odd, -0.0f}));
}

}  // namespace
}  // namespace merganser::test
