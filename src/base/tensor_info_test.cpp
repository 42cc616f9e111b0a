#include "base/tensor_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"

namespace merganser {
namespace {

using test::complaint;

TEST(TensorInfo, Elements) {
  EXPECT_EQ(elements({}), 1u);
  EXPECT_EQ(elements({0}), 0u);
  EXPECT_EQ(elements({3, 0, 5}), 0u);
  EXPECT_EQ(elements({3, 4, 5}), 60u);
  EXPECT_EQ(elements({std::uint64_t{1} << 59}), std::uint64_t{1} << 59);
}

TEST(TensorInfo, ElementsThatOverflowAreRefused) {
  const std::uint64_t big = std::uint64_t{1} << 32;
  for (const Shape& shape : {Shape{big, big}, Shape{big, big, 0}, Shape{0, big, big},
                             Shape{UINT64_MAX}, Shape{(std::uint64_t{1} << 59) + 1}}) {
    EXPECT_THAT(complaint([&] { elements(shape); }), testing::HasSubstr("overflows"))
        << to_string(shape);
  }
}

TEST(TensorInfo, BytesAndText) {
  EXPECT_EQ((TensorInfo{"w", DType::bf16, {3, 5}}.bytes()), 30u);
  EXPECT_EQ((TensorInfo{"w", DType::f64, {}}.bytes()), 8u);
  EXPECT_EQ(to_string(Shape{32000, 4096}), "[32000, 4096]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

}  // namespace
}  // namespace merganser
