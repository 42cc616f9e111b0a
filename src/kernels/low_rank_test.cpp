#include "kernels/low_rank.h"

#include <gmock/gmock.h>

#include "kernels/kernel_test.h"
#include "kernels/low_rank_reference.h"

namespace merganser {
namespace {

template <class T>
class AddLowRank : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(AddLowRank, Types);

// W [2, 3] + 2 * [[1, 2], [3, 4]] [[1, 0, 1], [0, 1, 1]], all of it and elements 2 to 4.
TYPED_TEST(AddLowRank, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> left = {1, 2, 3, 4}, right = {1, 0, 1, 0, 1, 1};
  const LowRankProduct<T> product{left.data(), right.data(), 2, 3, T{2}};
  on_every_target([&] {
    std::vector<T> out = {10, 20, 30, 40, 50, 60};
    add_low_rank(product, 0, out.data(), 6);
    EXPECT_THAT(out, ::testing::ElementsAre(12, 24, 36, 46, 58, 74));
    std::vector<T> part = {30, 40, 50};
    add_low_rank(product, 2, part.data(), 3);
    EXPECT_THAT(part, ::testing::ElementsAre(36, 46, 58));
    add_low_rank(product, 6, part.data(), 0);
  });
}

TYPED_TEST(AddLowRank, EqualsTheReference) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t columns : {1, 3, 8, 16, 17, 40, 64, 131}) {
      for (const std::size_t rows : {1, 2, 4, 7, 9, 21}) {
        for (const std::size_t rank : {1, 4, 13}) {
          const Values kind = rank == 4 ? Values::special : Values::ordinary;
          const auto left = test_values<T>(rows * rank, 1, kind);
          const auto right = test_values<T>(rank * columns, 2, kind);
          const LowRankProduct<T> product{left.data(), right.data(), rank, columns,
                                          static_cast<T>(0.3)};
          auto fast = test_values<T>(rows * columns, 3, kind), slow = fast;
          add_low_rank(product, 0, fast.data(), fast.size());
          reference::add_low_rank(product, 0, slow.data(), slow.size());
          ASSERT_TRUE(same(fast, slow)) << rows << " x " << columns << ", rank " << rank;
        }
      }
    }
  });
}

// The same bits however the matrix is cut.
TYPED_TEST(AddLowRank, PiecesEqualTheWhole) {
  using T = TypeParam;
  constexpr std::size_t rows = 13, columns = 77, rank = 5;
  const auto left = test_values<T>(rows * rank, 1), right = test_values<T>(rank * columns, 2);
  const LowRankProduct<T> product{left.data(), right.data(), rank, columns, static_cast<T>(-1.7)};
  const auto start = test_values<T>(rows * columns, 3);
  auto whole = start;
  add_low_rank(product, 0, whole.data(), whole.size());
  on_every_target([&] {
    for (const std::size_t step : {1, 10, 77, 100, 154, 700}) {
      auto pieces = start;
      for (std::size_t first = 0; first < pieces.size(); first += step) {
        add_low_rank(product, first, pieces.data() + first, std::min(step, pieces.size() - first));
      }
      EXPECT_TRUE(same(pieces, whole)) << step;
    }
  });
}

}  // namespace
}  // namespace merganser
