#include "kernels/blend.h"

#include <gmock/gmock.h>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

template <class T>
class Blend : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Blend, Types);

TYPED_TEST(Blend, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> a = {1, 2, 3}, b = {10, 20, 40};
  std::vector<T> out(3);
  on_every_target([&] {
    add(a.data(), b.data(), out.data(), 3);
    EXPECT_THAT(out, ::testing::ElementsAre(11, 22, 43));
    subtract(a.data(), b.data(), out.data(), 3);
    EXPECT_THAT(out, ::testing::ElementsAre(-9, -18, -37));
    scale(T{2}, a.data(), out.data(), 3);
    EXPECT_THAT(out, ::testing::ElementsAre(2, 4, 6));
    divide(b.data(), T{4}, out.data(), 3);
    EXPECT_THAT(out, ::testing::ElementsAre(2.5, 5, 10));
    add_scaled(T{-1}, a.data(), out.data(), 3);
    EXPECT_THAT(out, ::testing::ElementsAre(1.5, 3, 7));
  });
}

// Every kernel against its reference; `in_place` writes over the first input.
template <class T>
void compare(std::size_t n, std::size_t offset, Values kind, bool in_place) {
  const auto a = test_values<T>(n + offset, 1, kind), b = test_values<T>(n + offset, 2, kind);
  const auto start = test_values<T>(n + offset, 3, kind);
  const T factor = static_cast<T>(0.3);
  const auto check = [&](auto kernel, auto reference) {
    auto fast = in_place ? a : start, slow = fast;
    const T* from_fast = in_place ? fast.data() : a.data();
    const T* from_slow = in_place ? slow.data() : a.data();
    kernel(from_fast + offset, b.data() + offset, fast.data() + offset);
    reference(from_slow + offset, b.data() + offset, slow.data() + offset);
    EXPECT_TRUE(same(fast, slow)) << n;
  };
  check([&](const T* x, const T* y, T* out) { add(x, y, out, n); },
        [&](const T* x, const T* y, T* out) { reference::add(x, y, out, n); });
  check([&](const T* x, const T* y, T* out) { subtract(x, y, out, n); },
        [&](const T* x, const T* y, T* out) { reference::subtract(x, y, out, n); });
  check([&](const T* x, const T*, T* out) { scale(factor, x, out, n); },
        [&](const T* x, const T*, T* out) { reference::scale(factor, x, out, n); });
  check([&](const T* x, const T*, T* out) { divide(x, factor, out, n); },
        [&](const T* x, const T*, T* out) { reference::divide(x, factor, out, n); });
  check([&](const T*, const T* y, T* out) { add_scaled(factor, y, out, n); },
        [&](const T*, const T* y, T* out) { reference::add_scaled(factor, y, out, n); });
}

TYPED_TEST(Blend, EqualsTheReference) {
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      compare<TypeParam>(n, 0, Values::ordinary, false);
      compare<TypeParam>(n, 1, Values::special, false);
      compare<TypeParam>(n, 3, Values::special, true);
    }
  });
}

TYPED_TEST(Blend, CombineEqualsTheReference) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      for (const std::size_t models : {0, 1, 2, 3, 4, 5, 9}) {
        const auto w = test_values<T>(models, 9);
        std::vector<std::vector<T>> data;
        std::vector<T*> inputs;
        for (std::size_t i = 0; i < models; ++i) {
          data.push_back(test_values<T>(n + 1, static_cast<unsigned>(10 + i), Values::special));
        }
        for (auto& values : data) inputs.push_back(values.data() + 1);
        std::vector<T> fast(n + 1, 7), slow(n + 1, 7);
        combine<T>(w, inputs, fast.data() + 1, n);
        reference::combine<T>(w, inputs, slow.data() + 1, n);
        ASSERT_TRUE(same(fast, slow)) << models << " models of " << n;
      }
    }
  });
}

// 1 + 2^-24 products: a fused multiply-add would keep what the separate product loses.
TYPED_TEST(Blend, DoesNotFuse) {
  using T = TypeParam;
  const T e = std::numeric_limits<T>::epsilon();
  std::vector<T> x(64, 1 + e), y(64, -(1 + 2 * e)), out(64);
  const std::vector<T> w = {1 + e, 1};
  std::vector<T*> inputs = {x.data(), y.data()};
  on_every_target([&] {
    combine<T>(w, inputs, out.data(), out.size());
    EXPECT_THAT(out, ::testing::Each(T{0}));
  });
}

}  // namespace
}  // namespace merganser
