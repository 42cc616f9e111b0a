#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class SmoothAdd : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SmoothAdd, Types);

Settings with(double alpha) { return settings_of("smooth_add", {{"alpha", alpha}}, {{}, {}}); }

// Element by element over the whole window, all axes at once. Nothing of the filters' own order.
class Reference {
 public:
  explicit Reference(Shape shape) : shape_(std::move(shape)) {}

  std::vector<Exact> smoothed(const std::vector<Exact>& x) const {
    std::vector<Exact> medians(x.size()), out(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::vector<Exact> window;
      each_neighbour(i, 1, [&](std::size_t at, int) { window.push_back(x[at]); });
      std::sort(window.begin(), window.end());
      medians[i] = window[window.size() / 2];
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      Exact sum = 0, weight = 0;
      each_neighbour(i, 4, [&](std::size_t at, int squared_distance) {
        const Exact w = std::exp(-Exact(squared_distance) / 2);
        sum += w * medians[at];
        weight += w;
      });
      out[i] = sum / weight;
    }
    return out;
  }

 private:
  // `radius` to both sides along each axis.
  template <class Act>
  void each_neighbour(std::size_t i, int radius, Act act) const {
    std::vector<long> at(shape_.size());
    for (std::size_t k = shape_.size(); k-- > 0;) {
      at[k] = static_cast<long>(i % shape_[k]);
      i /= shape_[k];
    }
    std::vector<int> step(shape_.size(), -radius);
    while (true) {
      std::size_t flat = 0;
      int squared = 0;
      for (std::size_t k = 0; k < shape_.size(); ++k) {
        long j = at[k] + step[k];
        const long n = static_cast<long>(shape_[k]);
        while (j < 0 || j >= n) j = j < 0 ? -1 - j : 2 * n - 1 - j;  // mirror at the near end
        flat = flat * shape_[k] + static_cast<std::size_t>(j);
        squared += step[k] * step[k];
      }
      act(flat, squared);
      std::size_t k = shape_.size();
      while (k-- > 0) {
        if (++step[k] <= radius) break;
        step[k] = -radius;
      }
      if (k == static_cast<std::size_t>(-1)) return;
    }
  }

  Shape shape_;
};

TYPED_TEST(SmoothAdd, WrittenOut) {
  using T = TypeParam;
  // A lone outlier is no median.
  const std::vector<T> zero(7), spike = {0, 0, 0, 9, 0, 0, 0}, a = {1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(merge_one<T>("smooth_add", {zero, {a, spike}, with(1)}), a);
  // A constant difference stays one; the Gaussian's weights have the sum 1.
  const std::vector<T> shift(7, 2);
  const auto y = merge_one<T>("smooth_add", {zero, {a, shift}, with(0.5)});
  for (std::size_t i = 0; i < 7; ++i) EXPECT_NEAR(y[i], a[i] + 1, 1e-6);
  // A step keeps its place under the median. The Gaussian's tail: e^-(k^2/2) / 2.50663, k = 0...4.
  const std::vector<T> step = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}, none(12);
  const auto z = merge_one<T>("smooth_add", {none, {none, step}, with(1)});
  EXPECT_NEAR(z[5], 0.241971 + 0.053991 + 0.004432 + 0.000134, 2e-6);
  EXPECT_NEAR(z[6], 1 - z[5], 1e-6);
  EXPECT_NEAR(z[2], 0.000134, 2e-6);
}

TYPED_TEST(SmoothAdd, SmallestTensors) {
  using T = TypeParam;
  EXPECT_EQ(merge_one<T>("smooth_add", {{}, {{}, {}}, with(1)}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("smooth_add", {{}, {{}, {}}, with(1), "w", {3, 0, 2}}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("smooth_add", {{1}, {{5}, {3}}, with(1)}), std::vector<T>{7});
  EXPECT_EQ(merge_one<T>("smooth_add", {{1}, {{5}, {3}}, with(1), "w", {1, 1, 1}}),
            std::vector<T>{7});
  EXPECT_EQ(merge_one<T>("smooth_add", {{0, 0}, {{0, 0}, {0, 0}}, with(1)}),
            (std::vector<T>{0, 0}));
}

TYPED_TEST(SmoothAdd, EqualsReference) {
  using T = TypeParam;
  // Axes shorter than the Gaussian, of length 1 and 2, lines along the last axis and along another.
  for (const Shape& shape :
       {Shape{1}, Shape{2}, Shape{3}, Shape{100}, Shape{7, 40}, Shape{40, 7}, Shape{1, 40},
        Shape{40, 1}, Shape{2, 2}, Shape{5, 1, 6}, Shape{4, 5, 6}, Shape{6, 5, 3, 3},
        Shape{3, 3, 2, 40}, Shape{3, 2, 3, 2, 2}}) {
    SCOPED_TRACE(::testing::PrintToString(shape));
    const std::size_t n = elements(shape);
    const auto c = normal<T>(n, 1), a = tuned(c, 2, 0.3), b = tuned(c, 3, 0.2);
    std::vector<Exact> difference(n);
    for (std::size_t i = 0; i < n; ++i) difference[i] = b[i] - c[i];  // as T has it: ties stay ties
    const auto smooth = Reference(shape).smoothed(difference);
    std::vector<Term> terms(n);
    for (std::size_t i = 0; i < n; ++i) {
      terms[i].add(a[i]);
      terms[i].add(-0.7L * smooth[i]);
      terms[i].size = std::abs(Exact{a[i]}) + 1;  // the differences before they are smoothed away
    }
    // For each axis a weight, a product and 8 sums; alpha, a product, a sum. Each is of the size of
    // the difference (0.2), far from the 1 above.
    expect_rounded(merge_one<T>("smooth_add", {c, {a, b}, with(-0.7), "w", shape}), terms,
                   static_cast<int>(2 + 2 * shape.size()));
  }
}

TEST(SmoothAddOutline, SeesWholeTensors) {
  const Descriptor& method = require_method("smooth_add");
  EXPECT_EQ(outline_of(method, with(0)).copy, 0u);
  const Outline outline = outline_of(method, with(1), {8, 100});
  EXPECT_EQ(outline.unit, Unit::tensor);
  EXPECT_EQ(outline.sweeps, 1u);
  EXPECT_GE(outline.workspace, 3u * 100 * 8);
}

}  // namespace
}  // namespace merganser::test
