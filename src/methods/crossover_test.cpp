#include <gtest/gtest.h>

#include "methods/parts/fourier_testing.h"
#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class Crossover : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Crossover, Types);

Settings with(double alpha, double tilt = 0) {
  return settings_of("crossover", {{"alpha", alpha}, {"tilt", tilt}}, {{}});
}

// sd-mecha's filter at a distance from frequency zero.
Exact share_at(Exact r, Exact alpha, Exact tilt) {
  const bool inverted = tilt > 2;
  if (inverted) alpha = 1 - alpha;
  Exact share;
  if (tilt == 0) {
    share = r > 1 - alpha;
  } else if (tilt == 2) {
    share = r < 1 - alpha;
  } else {
    const Exact cot = 1 / std::tan(std::numbers::pi_v<Exact> * tilt / 2);
    const bool rising = tilt <= 1 || (tilt > 2 && tilt <= 3);
    share = rising ? r * cot + alpha * cot + alpha - cot : r * cot - alpha * cot + alpha;
    share = std::clamp<Exact>(share, 0, 1);
  }
  return inverted ? 1 - share : share;
}

// Both spectra mixed by the filter, over complex lines of every axis and by the definition.
std::vector<Exact> reference(const Shape& shape, const std::vector<Exact>& a,
                             const std::vector<Exact>& b, double alpha, double tilt) {
  const auto all_axes = [&](std::vector<ExactComplex> x, int sign) {
    std::size_t stride = 1;
    for (std::size_t k = shape.size(); k-- > 0; stride *= shape[k]) {
      for (std::size_t first = 0; first < x.size(); ++first) {
        if (first / stride % shape[k] != 0) continue;
        std::vector<ExactComplex> line;
        for (std::size_t i = 0; i < shape[k]; ++i) line.push_back(x[first + i * stride]);
        line = slow_transform(line, sign);
        for (std::size_t i = 0; i < shape[k]; ++i) x[first + i * stride] = line[i];
      }
    }
    return x;
  };
  auto fa = all_axes({a.begin(), a.end()}, -1);
  const auto fb = all_axes({b.begin(), b.end()}, -1);
  for (std::size_t i = 0; i < fa.size(); ++i) {
    Exact squares = 0;
    std::size_t rest = i;
    for (std::size_t k = shape.size(); k-- > 0;) {
      const std::size_t n = shape[k], at = rest % n;
      rest /= n;
      if (n > 1) squares += std::pow(Exact(std::min(at, n - at)) / Exact(n / 2), 2.0L);
    }
    const Exact g = share_at(std::sqrt(squares / Exact(shape.size())), alpha, tilt);
    fa[i] = (1 - g) * fa[i] + g * fb[i];
  }
  std::vector<Exact> out;
  for (const ExactComplex& z : all_axes(fa, 1)) out.push_back(z.real() / Exact(a.size()));
  return out;
}

TYPED_TEST(Crossover, WrittenOut) {
  using T = TypeParam;
  // B is A with another mean (its low frequencies are not taken) and another alternation.
  const std::vector<T> a = {1, 2, 3, 4, 5, 6}, b = {12, 11, 14, 13, 16, 15};
  const auto y = merge_one<T>("crossover", {a, {b}, with(0.2)});
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(y[i], a[i] + (i % 2 == 0 ? 1 : -1), 1e-5);
  // From the other side: the mean of B, the alternation of A.
  const auto z = merge_one<T>("crossover", {a, {b}, with(0.2, 2)});
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(z[i], a[i] + 10, 1e-5);
  // A weighted sum.
  EXPECT_EQ(merge_one<T>("crossover", {{1, 2}, {{5, 10}}, with(0.25, 1)}), (std::vector<T>{2, 4}));
}

TYPED_TEST(Crossover, SmallestTensors) {
  using T = TypeParam;
  EXPECT_EQ(merge_one<T>("crossover", {{}, {{}}, with(0.5)}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("crossover", {{}, {{}}, with(0.5), "w", {2, 0, 3}}), std::vector<T>{});
  // One number has frequency 0 only: the base's.
  EXPECT_EQ(merge_one<T>("crossover", {{4}, {{8}}, with(0.5)}), std::vector<T>{4});
  EXPECT_EQ(merge_one<T>("crossover", {{4}, {{8}}, with(0.5), "w", {1, 1}}), std::vector<T>{4});
  EXPECT_EQ(merge_one<T>("crossover", {{0, 0}, {{0, 0}}, with(0.5)}), (std::vector<T>{0, 0}));
}

TYPED_TEST(Crossover, NearlyEqualTensorsAreInterpolated) {
  using T = TypeParam;
  // As in the source: within 1e-5, and bit for bit where they are equal.
  const std::vector<T> a = {1, -2, 3};
  EXPECT_EQ(merge_one<T>("crossover", {a, {a}, with(0.3)}), a);
  const std::vector<T> b = {1, static_cast<T>(-2.000008), 3};
  const auto y = merge_one<T>("crossover", {a, {b}, with(0.5)});
  EXPECT_NEAR(y[1], -2.000004, 3e-7);
  EXPECT_EQ(y[0], 1);
}

TYPED_TEST(Crossover, EqualsReference) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{50}, Shape{51}, Shape{67}, Shape{8, 9}, Shape{9, 8},
                             Shape{1, 20}, Shape{20, 1}, Shape{6, 5, 3, 3}, Shape{37, 4}}) {
    SCOPED_TRACE(::testing::PrintToString(shape));
    const std::size_t n = elements(shape);
    const auto a = normal<T>(n, 1), b = tuned(a, 2, 0.5);
    // No frequency lies on a cut.
    for (const auto& [alpha, tilt] : {std::pair{0.37, 0.0},
                                      {0.37, 0.6},
                                      {0.61, 1.5},
                                      {0.37, 2.0},
                                      {0.37, 2.5},
                                      {0.61, 3.3},
                                      {0.9, 0.1}}) {
      SCOPED_TRACE(tilt);
      const auto expected =
          reference(shape, {a.begin(), a.end()}, {b.begin(), b.end()}, alpha, tilt);
      const auto y = merge_one<T>("crossover", {a, {b}, with(alpha, tilt), "w", shape});
      // Spectra are stored in T after each axis. Their roundings are spread over all elements,
      // which are of the size 0.5.
      const double tolerance = 8 * std::numeric_limits<T>::epsilon();
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_NEAR(static_cast<double>(y[i]), static_cast<double>(expected[i]), tolerance) << i;
      }
    }
  }
}

TYPED_TEST(Crossover, TiltHasThePeriod4) {
  using T = TypeParam;
  const auto a = normal<T>(60, 1), b = normal<T>(60, 2);
  const auto at = [&](double tilt) {
    return merge_one<T>("crossover", {a, {b}, with(0.3, tilt), "w", {6, 10}});
  };
  EXPECT_EQ(at(0.5), at(4.5));
  EXPECT_EQ(at(0.5), at(-3.5));
  EXPECT_EQ(at(0), at(8));
}

TEST(CrossoverOutline, CopiesAndUnits) {
  const Descriptor& method = require_method("crossover");
  EXPECT_EQ(outline_of(method, with(0)).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, with(1)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(0.5)).unit, Unit::tensor);
  EXPECT_GE(outline_of(method, with(0.5)).workspace, 64u * 8);
  EXPECT_EQ(outline_of(method, with(0.5, 1)).unit, Unit::element);
}

}  // namespace
}  // namespace merganser::test
