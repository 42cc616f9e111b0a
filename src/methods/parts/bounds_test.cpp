#include "methods/parts/bounds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace merganser::methods {
namespace {

TEST(Bounds, HoldNumbersAndLetNaNPass) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> low = {0, 0, 0, nan, 2}, high = {1, 1, 1, nan, 1};
  std::vector<float> x = {-1, 2, nan, 7, 0};
  clamp_into(low.data(), high.data(), x.data(), x.size());
  EXPECT_EQ(x[0], 0);
  EXPECT_EQ(x[1], 1);
  EXPECT_TRUE(std::isnan(x[2]));
  EXPECT_EQ(x[3], 7);
  EXPECT_EQ(x[4], 1);
}

TEST(Bounds, Widen) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> low = {0, 0, 0}, high = {1, 1, 1};
  const std::vector<float> x = {-2, 3, nan};
  widen_bounds(x.data(), low.data(), high.data(), x.size());
  EXPECT_EQ(low, (std::vector<float>{-2, 0, 0}));
  EXPECT_EQ(high, (std::vector<float>{1, 3, 1}));
}

}  // namespace
}  // namespace merganser::methods
