#include "kernels/consensus.h"

#include <gmock/gmock.h>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;

template <class T>
class Consensus : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Consensus, Types);

TYPED_TEST(Consensus, WrittenOut) {
  using T = TypeParam;
  // Columns: agreement; majority by value against count; a tie; all zero; one zero.
  std::vector<T> a = {1, 6, 1, 0, 0}, b = {2, -2, -1, 0, -4}, c = {3, -1, 0, 0, -2};
  const std::vector<T*> d = {a.data(), b.data(), c.data()};
  const std::vector<T> w = {1, 0.5, 0.5};
  std::vector<T> out(5);
  on_every_target([&] {
    consensus<T>(d, w, {}, false, out.data(), 5);
    EXPECT_THAT(out, ElementsAre(6, 6, 1, 0, -6));
    consensus<T>(d, w, {}, true, out.data(), 5);
    EXPECT_THAT(out, ElementsAre(3, 6, 1, 0, -6));
    consensus<T>(d, w, {.by_count = true}, false, out.data(), 5);
    EXPECT_THAT(out, ElementsAre(6, -3, 1, 0, -6));
    consensus<T>(d, w, {.positive_on_zero = false}, false, out.data(), 5);
    EXPECT_THAT(out, ElementsAre(6, 6, -1, 0, -6));
    SignCounts counts{10, 20};
    count_signs<T>(d, false, counts, 5);
    EXPECT_EQ(counts.positive, 12u);
    EXPECT_EQ(counts.negative, 21u);
    count_signs<T>(d, true, counts, 5);
    EXPECT_EQ(counts.positive, 13u);
    EXPECT_EQ(counts.negative, 23u);
  });
}

TYPED_TEST(Consensus, WeightsAfterTheVote) {
  using T = TypeParam;
  // The first two agree by mass 5 to 4, although the third weighs most; a tie; nothing; a weight
  // below the least divisor.
  std::vector<T> a = {1, 1, 0, 0}, b = {4, 0, 0, 2}, c = {-4, -1, 0, 0};
  const std::vector<T*> d = {a.data(), b.data(), c.data()};
  const std::vector<T> w = {T(0.5), T(0.25), 8};
  std::vector<T> out(4);
  on_every_target([&] {
    weighted_consensus<T>(d, w, T(0.5), out.data(), 4);
    EXPECT_THAT(out, ElementsAre(T(1.5) / T(0.75), 1, 0, 1));
  });
}

template <class T>
void compare(std::size_t n, std::size_t models, Values kind) {
  std::vector<std::vector<T>> data;
  std::vector<T*> d;
  auto w = test_values<T>(models, 77);
  if (models > 1) w[1] = -w[0];  // sums of weights that vanish
  for (std::size_t i = 0; i < models; ++i) {
    data.push_back(test_values<T>(n + 1, static_cast<unsigned>(10 + i), kind));
    for (T& x : data.back()) x = std::abs(x) < T{0.5} ? T{0} : std::round(x * 4) / 4;
  }
  for (auto& values : data) d.push_back(values.data() + 1);
  for (int bits = 0; bits < 8; ++bits) {
    const ConsensusRule rule{(bits & 1) != 0, (bits & 2) != 0};
    const bool mean = (bits & 4) != 0;
    std::vector<T> fast(n + 1, 7), slow(n + 1, 7);
    consensus<T>(d, w, rule, mean, fast.data() + 1, n);
    reference::consensus<T>(d, w, rule, mean, slow.data() + 1, n);
    ASSERT_TRUE(same(fast, slow)) << models << " models of " << n << ", flags " << bits;
  }
  for (T& x : w) x = std::abs(x);
  std::vector<T> fast(n + 1, 7), slow(n + 1, 7);
  weighted_consensus<T>(d, w, T(0.25), fast.data() + 1, n);
  reference::weighted_consensus<T>(d, w, T(0.25), slow.data() + 1, n);
  ASSERT_TRUE(same(fast, slow)) << models << " models of " << n;
  for (const bool by_count : {false, true}) {
    SignCounts counted{1, 2}, expected = counted;
    count_signs<T>(d, by_count, counted, n);
    reference::count_signs<T>(d, by_count, expected, n);
    ASSERT_EQ(counted.positive, expected.positive);
    ASSERT_EQ(counted.negative, expected.negative);
  }
}

TYPED_TEST(Consensus, EqualsTheReference) {
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      for (const std::size_t models : {0, 1, 2, 3, 4, 5, 9}) {
        compare<TypeParam>(n, models, Values::ordinary);
        compare<TypeParam>(n, models, Values::special);
      }
    }
  });
}

}  // namespace
}  // namespace merganser
