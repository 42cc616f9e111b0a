#include "methods/parts/mask_cache.h"

#include <gtest/gtest.h>

#include <set>

namespace merganser::methods {
namespace {

TEST(MaskCache, HasAPlaceForEachBlockOfEachInput) {
  MaskCache cache(2, 25, 10);  // two bytes a block
  std::set<std::uint8_t*> places;
  for (const std::size_t input : {0u, 1u}) {
    for (const std::uint64_t first : {0u, 10u, 20u}) {
      ASSERT_NE(cache.find(input, first), nullptr);
      EXPECT_FALSE(cache.drawn(input, first));
      places.insert(cache.find(input, first));
      places.insert(cache.find(input, first) + 1);
    }
  }
  EXPECT_EQ(places.size(), 12u);
  cache.set_drawn(1, 10);
  EXPECT_TRUE(cache.drawn(1, 10));
  EXPECT_FALSE(cache.drawn(0, 10));
  EXPECT_FALSE(cache.drawn(1, 20));
}

TEST(MaskCache, KeepsTheFirstBlocksWhereMemoryEnds) {
  MaskCache cache(3, 1000, 16, 13);  // six bytes for a block of all inputs
  EXPECT_NE(cache.find(2, 16), nullptr);
  EXPECT_EQ(cache.find(0, 32), nullptr);
  EXPECT_EQ(MaskCache(3, 1000, 16, 5).find(0, 0), nullptr);
  EXPECT_EQ(MaskCache(3, 0, 16).find(0, 0), nullptr);
  EXPECT_EQ(MaskCache().find(0, 0), nullptr);
}

}  // namespace
}  // namespace merganser::methods
