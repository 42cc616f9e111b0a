#include "kernels/target.h"

#include <gmock/gmock.h>

namespace merganser {
namespace {

TEST(SimdTarget, IsTheBestUntilForced) {
  const auto targets = simd_targets();
  ASSERT_FALSE(targets.empty());
  RecordProperty("targets", ::testing::PrintToString(targets));
  EXPECT_EQ(simd_target(), targets.front());
  for (const std::string& target : targets) {
    EXPECT_TRUE(force_simd_target(target));
    EXPECT_EQ(simd_target(), target);
  }
  EXPECT_TRUE(force_simd_target(""));
  EXPECT_EQ(simd_target(), targets.front());
  EXPECT_FALSE(force_simd_target("MMX"));
  EXPECT_EQ(simd_target(), targets.front());
}

}  // namespace
}  // namespace merganser
