#include "train/row_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace merganser::rt {
namespace {

std::vector<std::int64_t> take(RowOrder& order, std::int64_t count) {
  const at::Tensor rows = order.next(count);
  const auto* data = rows.data_ptr<std::int64_t>();
  return {data, data + count};
}

TEST(RowOrder, EveryPassIsAShuffleOfAll) {
  RowOrder order(3, "text", 7);
  std::set<std::vector<std::int64_t>> passes;
  for (int pass = 0; pass < 3; ++pass) {
    const auto rows = take(order, 7);
    EXPECT_THAT(rows, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6));
    passes.insert(rows);
  }
  EXPECT_EQ(passes.size(), 3U);
}

TEST(RowOrder, BatchesAreCutOutOfOneStream) {
  RowOrder whole(3, "text", 5), parts(3, "text", 5);
  const auto rows = take(whole, 12);
  std::vector<std::int64_t> joined;
  for (const std::int64_t count : {4, 1, 7}) {
    for (const std::int64_t row : take(parts, count)) joined.push_back(row);
  }
  EXPECT_EQ(joined, rows);
}

TEST(RowOrder, SeedAndTaskDecide) {
  RowOrder a(3, "text", 40), same(3, "text", 40), seed(4, "text", 40), task(3, "other", 40);
  const auto rows = take(a, 40);
  EXPECT_EQ(take(same, 40), rows);
  EXPECT_NE(take(seed, 40), rows);
  EXPECT_NE(take(task, 40), rows);
}

}  // namespace
}  // namespace merganser::rt
