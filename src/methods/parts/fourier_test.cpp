#include "methods/parts/fourier.h"

#include <gtest/gtest.h>

#include "methods/parts/fourier_testing.h"
#include "methods/testing.h"

namespace merganser::methods {
namespace {

using Complex = Fourier::Complex;

TEST(Fourier, WrittenOut) {
  Fourier dft(4);
  const std::vector<Complex> x = {1, 2, 3, 4};
  std::vector<Complex> spectrum(4), back(4);
  dft.forward(x.data(), spectrum.data());
  const std::vector<Complex> expected = {10, {-2, 2}, -2, {-2, -2}};
  for (std::size_t k = 0; k < 4; ++k) EXPECT_LT(std::abs(spectrum[k] - expected[k]), 1e-14);
  dft.inverse(spectrum.data(), back.data());
  for (std::size_t k = 0; k < 4; ++k) EXPECT_LT(std::abs(back[k] - 4.0 * x[k]), 1e-13);
}

// Primes and twice a prime among them: Bluestein's convolution.
TEST(Fourier, OfEveryLength) {
  std::vector<std::size_t> lengths = {97, 128, 194, 360, 499, 1009};
  for (std::size_t n = 1; n <= 40; ++n) lengths.push_back(n);
  for (const std::size_t n : lengths) {
    const auto re = test::normal<double>(n, 1), im = test::normal<double>(n, 2);
    std::vector<Complex> x, out(n);
    std::vector<test::ExactComplex> exact;
    for (std::size_t i = 0; i < n; ++i) {
      x.emplace_back(re[i], im[i]);
      exact.emplace_back(re[i], im[i]);
    }
    // The spectrum's elements are of the size sqrt(2n); an error of a few ulp for each of log n
    // stages.
    const double tolerance = 1e-14 * std::sqrt(static_cast<double>(n));
    for (const int sign : {-1, 1}) {
      Fourier dft(n);
      if (sign < 0) {
        dft.forward(x.data(), out.data());
      } else {
        dft.inverse(x.data(), out.data());
      }
      const auto expected = test::slow_transform(exact, sign);
      for (std::size_t k = 0; k < n; ++k) {
        ASSERT_LT(std::abs(test::ExactComplex(out[k]) - expected[k]), tolerance) << n;
      }
    }
  }
}

template <class T>
class FilterFrequencies : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(FilterFrequencies, Types);

TYPED_TEST(FilterFrequencies, OfOneKeepsWhatThereIs) {
  using T = TypeParam;
  for (const Shape& shape :
       {Shape{}, Shape{1}, Shape{2}, Shape{7}, Shape{30}, Shape{5, 6}, Shape{6, 5}, Shape{1, 9},
        Shape{9, 1}, Shape{37, 3}, Shape{4, 3, 3, 2}, Shape{0, 3}, Shape{3, 0}}) {
    SCOPED_TRACE(::testing::PrintToString(shape));
    const auto x = test::normal<T>(elements(shape), 3);
    auto y = x;
    filter_frequencies(shape, y.data(), [](double) { return 1.0; });
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(y[i], x[i], 20 * std::numeric_limits<T>::epsilon());
    }
  }
}

TYPED_TEST(FilterFrequencies, MeansAndAlternations) {
  using T = TypeParam;
  // 5 plus or minus 1 in turn: the mean is frequency 0, the alternation the highest one.
  std::vector<T> x = {6, 4, 6, 4, 6, 4};
  filter_frequencies(Shape{6}, x.data(), [](double f) {
    return f == 0 ? 1.0 : f == 1 ? 3.0 : 0.0;
  });
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(x[i], i % 2 == 0 ? 8 : 2, 1e-5);
  // Alternating along one of two axes: the distance is sqrt(1/2).
  std::vector<T> y = {1, 1, -1, -1, 1, 1, -1, -1};
  double farthest = 0;
  filter_frequencies(Shape{4, 2}, y.data(), [&](double f) {
    farthest = std::max(farthest, f);
    return std::abs(f - std::sqrt(0.5)) < 1e-12 ? 2.0 : 0.0;
  });
  EXPECT_NEAR(y[0], 2, 1e-5);
  EXPECT_NEAR(y[2], -2, 1e-5);
  EXPECT_NEAR(farthest, 1, 1e-12);
}

}  // namespace
}  // namespace merganser::methods
