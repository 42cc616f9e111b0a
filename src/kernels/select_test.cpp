#include "kernels/select.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;

template <class T>
class Select : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Select, Types);

TYPED_TEST(Select, WrittenOut) {
  using T = TypeParam;
  on_every_target([] {
    const std::vector<T> x = {1, -2, 3, -4, 5, 2, -5, 6, 0};
    BracketCounts<T> counts;
    std::vector<T> inside = {9};
    count_bracket(x.data(), x.size(), T{2}, T{5}, counts, inside);
    EXPECT_EQ(counts.above, 1u);
    EXPECT_EQ(counts.at_high, 2u);
    EXPECT_EQ(counts.at_low, 2u);
    EXPECT_THAT(inside, ElementsAre(9, 3, 4));

    std::vector<T> y = x;
    EXPECT_EQ(trim(y.data(), y.size(), T{2}, 1), 2u);
    EXPECT_THAT(y, ElementsAre(0, -2, 3, -4, 5, 0, -5, 6, 0));
    y = x;
    EXPECT_EQ(trim_largest(y.data(), y.size(), T{2}, 1), 2u);
    EXPECT_THAT(y, ElementsAre(1, 0, 0, 0, 0, 2, 0, 0, 0));
  });
}

// Rounded to eighths: many ties.
template <class T>
std::vector<T> tied_values(std::size_t n, unsigned seed, Values kind) {
  auto values = test_values<T>(n, seed, kind);
  for (T& x : values) x = std::isfinite(x) && std::abs(x) < 100 ? std::round(x * 8) / 8 : x;
  return values;
}

template <class T>
void compare_brackets(const std::vector<T>& values, T low, T high) {
  const T* x = values.data() + 1;
  const std::size_t n = values.size() - 1;
  BracketCounts<T> fast{1, 2, 3}, slow = fast;
  std::vector<T> fast_inside = {T{7}}, slow_inside = fast_inside;
  count_bracket(x, n, low, high, fast, fast_inside);
  reference::count_bracket(x, n, low, high, slow, slow_inside);
  ASSERT_EQ(fast.above, slow.above) << n;
  ASSERT_EQ(fast.at_high, slow.at_high) << n;
  ASSERT_EQ(fast.at_low, slow.at_low) << n;
  ASSERT_TRUE(same(fast_inside, slow_inside)) << n;
}

TYPED_TEST(Select, CountBracketEqualsTheReference) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  on_every_target([&] {
    for (const std::size_t n : test_sizes()) {
      for (const Values kind : {Values::ordinary, Values::special}) {
        const auto values = tied_values<T>(n + 1, static_cast<unsigned>(n), kind);
        compare_brackets(values, T{0}, T{0});
        compare_brackets(values, T{0}, inf);
        compare_brackets(values, T{1}, T{1});
        compare_brackets(values, T{1}, T{1.25});
        compare_brackets(values, T{1.5}, T{2});
        compare_brackets(values, T{1.51}, T{1.52});
        compare_brackets(values, T{100}, inf);
        compare_brackets(values, inf, std::numeric_limits<T>::quiet_NaN());
      }
    }
  });
}

TYPED_TEST(Select, TrimEqualsTheReference) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  on_every_target([&] {
    for (const std::size_t n : test_sizes()) {
      for (const Values kind : {Values::ordinary, Values::special}) {
        const auto values = tied_values<T>(n + 1, static_cast<unsigned>(n), kind);
        for (const T threshold : {T{0}, T{0.5}, T{1}, T{1.51}, inf}) {
          for (const std::size_t ties :
               {std::size_t{0}, std::size_t{1}, std::size_t{2}, n / 30, n / 20, n, n + 100}) {
            auto fast = values, slow = values;
            ASSERT_EQ(trim(fast.data() + 1, n, threshold, ties),
                      reference::trim(slow.data() + 1, n, threshold, ties));
            ASSERT_TRUE(same(fast, slow)) << n << ' ' << threshold << ' ' << ties;
            // The two leave each other's complement.
            auto rest = values, slow_rest = values;
            ASSERT_EQ(trim_largest(rest.data() + 1, n, threshold, ties),
                      reference::trim<false>(slow_rest.data() + 1, n, threshold, ties));
            ASSERT_TRUE(same(rest, slow_rest)) << n << ' ' << threshold << ' ' << ties;
            for (std::size_t i = 1; i <= n; ++i) {
              const bool kept = !same(fast[i], T{0});
              ASSERT_TRUE(same(rest[i], kept ? T{0} : values[i])) << n << ' ' << threshold;
            }
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace merganser
