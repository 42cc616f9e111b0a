#include "train/schedule.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace merganser::rt {
namespace {

TEST(Schedule, WarmsUpAndFalls) {
  const RateOptions linear{Schedule::linear, 10, 4};
  EXPECT_DOUBLE_EQ(rate_share(linear, 0), 0.25);
  EXPECT_DOUBLE_EQ(rate_share(linear, 3), 0.7);
  EXPECT_DOUBLE_EQ(rate_share(linear, 9), 0.1);
  const RateOptions cosine{Schedule::cosine, 10, 0};
  EXPECT_DOUBLE_EQ(rate_share(cosine, 0), 1);
  EXPECT_DOUBLE_EQ(rate_share(cosine, 5), 0.5);
  const RateOptions constant{Schedule::constant, 10, 2};
  EXPECT_DOUBLE_EQ(rate_share(constant, 0), 0.5);
  EXPECT_DOUBLE_EQ(rate_share(constant, 9), 1);
}

TEST(Schedule, UnknownNames) {
  EXPECT_EQ(parse_schedule("cosine"), Schedule::cosine);
  EXPECT_THROW(parse_schedule("cosin"), Error);
}

}  // namespace
}  // namespace merganser::rt
