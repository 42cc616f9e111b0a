#include "analyze/figures.h"

#include <gtest/gtest.h>

#include <cmath>

namespace merganser {
namespace {

// |D|^2 = 16 + 4 + 4 + 1 = 25.
const Spectrum kAll{{4, 2, 2, 1}, 25, true};
const Spectrum kSome{{4, 2}, 25, false};

TEST(Spectrum, WhatIsLeft) {
  EXPECT_DOUBLE_EQ(kAll.left(0), 25);
  EXPECT_DOUBLE_EQ(kAll.left(1), 9);
  EXPECT_DOUBLE_EQ(kAll.left(3), 1);
  EXPECT_EQ(kAll.left(4), 0);
  EXPECT_EQ(kAll.left(9), 0);
  EXPECT_EQ(kAll.residual(), 0);
  EXPECT_DOUBLE_EQ(kSome.left(2), 5);
  EXPECT_DOUBLE_EQ(kSome.residual(), std::sqrt(5.0 / 25));
}

TEST(Spectrum, Ranks) {
  EXPECT_DOUBLE_EQ(kAll.stable_rank(), 25.0 / 16);
  EXPECT_EQ(kAll.rank_90(), 3u);  // 16 + 4 + 4 of 25 are 96 %, 16 + 4 are 80 %
  EXPECT_EQ(kSome.rank_90(), std::nullopt);
  // Shares 4/9, 2/9, 2/9, 1/9.
  const double entropy = -(4.0 / 9 * std::log(4.0 / 9) + 2 * 2.0 / 9 * std::log(2.0 / 9) +
                           1.0 / 9 * std::log(1.0 / 9));
  EXPECT_DOUBLE_EQ(*kAll.effective_rank(), std::exp(entropy));
  EXPECT_EQ(kSome.effective_rank(), std::nullopt);
  const Spectrum even{{3, 3, 3}, 27, true};
  EXPECT_DOUBLE_EQ(*even.effective_rank(), 3);
}

}  // namespace
}  // namespace merganser
