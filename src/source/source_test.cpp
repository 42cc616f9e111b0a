#include "source/source.h"

#include <gtest/gtest.h>

namespace merganser {
namespace {

TEST(MemorySource, SortsByNameAndReadsPartsAgain) {
  MemorySource source("made");
  source.add({"b", DType::u8, {3}}, {std::byte{1}, std::byte{2}, std::byte{3}});
  source.add({"a", DType::u8, {1}}, {std::byte{9}});
  ASSERT_EQ(source.headers().size(), 2u);
  EXPECT_EQ(source.headers()[0].name, "a");
  for (int again = 0; again < 2; ++again) {
    std::byte part[2] = {};
    source.read(1, 1, part);
    EXPECT_EQ(part[0], std::byte{2});
    EXPECT_EQ(part[1], std::byte{3});
  }
}

}  // namespace
}  // namespace merganser
