#include "kernels/overlap.h"

#include <gmock/gmock.h>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;

template <class T>
class OverlapKernels : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OverlapKernels, Types);

TYPED_TEST(OverlapKernels, WrittenOut) {
  using T = TypeParam;
  // All three; two; the second alone; none: 1/2 does not exceed 1/2; opposite changes.
  std::vector<T> a = {3, 4, 0, T(0.5), 2}, b = {-6, 0, -2, T(-0.5), -2}, c = {9, 2, 0, 0, 0};
  const std::vector<T*> d = {a.data(), b.data(), c.data()};
  const std::vector<T> boost = {7, T(1.5), 7};
  std::vector<T> out(5);
  on_every_target([&] {
    merge_overlapping<T>(d, boost, T(0.5), out.data(), 5);
    EXPECT_THAT(out, ElementsAre(2, 3, -3, 0, 0));
    std::vector<Overlap> counts(3, {10, 20});
    count_overlap<T>(d, T(0.5), counts, 5);
    EXPECT_EQ(counts[0].alone, 10u);
    EXPECT_EQ(counts[0].shared, 23u);
    EXPECT_EQ(counts[1].alone, 11u);
    EXPECT_EQ(counts[1].shared, 22u);
    EXPECT_EQ(counts[2].alone, 10u);
    EXPECT_EQ(counts[2].shared, 22u);
  });
}

template <class T>
void compare(std::size_t n, std::size_t models, Values kind) {
  std::vector<std::vector<T>> data;
  std::vector<T*> d;
  for (std::size_t i = 0; i < models; ++i) {
    data.push_back(test_values<T>(n + 1, static_cast<unsigned>(10 + i), kind));
  }
  for (auto& values : data) d.push_back(values.data() + 1);
  const auto boost = test_values<T>(models, 77);
  for (const T epsilon : {T{0}, T{1}, T{2}}) {
    std::vector<T> fast(n + 1, 7), slow(n + 1, 7);
    merge_overlapping<T>(d, boost, epsilon, fast.data() + 1, n);
    reference::merge_overlapping<T>(d, boost, epsilon, slow.data() + 1, n);
    ASSERT_TRUE(same(fast, slow)) << models << " models of " << n;
    std::vector<Overlap> counted(models, {1, 2}), expected = counted;
    count_overlap<T>(d, epsilon, counted, n);
    reference::count_overlap<T>(d, epsilon, expected, n);
    for (std::size_t i = 0; i < models; ++i) {
      ASSERT_EQ(counted[i].alone, expected[i].alone);
      ASSERT_EQ(counted[i].shared, expected[i].shared);
    }
  }
}

TYPED_TEST(OverlapKernels, EqualTheReference) {
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      for (const std::size_t models : {0, 1, 2, 3, 5}) {
        compare<TypeParam>(n, models, Values::ordinary);
        compare<TypeParam>(n, models, Values::special);
      }
    }
  });
}

}  // namespace
}  // namespace merganser
