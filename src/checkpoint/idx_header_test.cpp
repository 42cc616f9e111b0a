#include "checkpoint/idx_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"

namespace merganser {
namespace {

using test::complaint;
using testing::ElementsAre;
using testing::HasSubstr;

IdxHeader parse(std::initializer_list<int> bytes) {
  std::vector<std::byte> start;
  for (const int byte : bytes) start.push_back(static_cast<std::byte>(byte));
  return parse_idx_header(start, "digits");
}

TEST(IdxHeader, OfMnistsImagesAndLabels) {
  const IdxHeader images = parse({0, 0, 8, 3, 0, 0, 39, 16, 0, 0, 0, 28, 0, 0, 0, 28, 7, 7, 7, 7});
  EXPECT_THAT(images.shape, ElementsAre(10000, 28, 28));
  EXPECT_EQ(images.begin, 16u);
  EXPECT_EQ(images.bytes, 7'840'000u);
  const IdxHeader labels = parse({0, 0, 8, 1, 0, 0, 39, 16, 7, 2, 1});
  EXPECT_THAT(labels.shape, ElementsAre(10000));
  EXPECT_EQ(labels.begin, 8u);
}

TEST(IdxHeader, RefusesWhatIsNone) {
  EXPECT_THAT(complaint([] { parse({}); }), HasSubstr("corrupt: digits: it is no IDX file"));
  EXPECT_THAT(complaint([] { parse({0x1f, 0x8b, 8, 0}); }), HasSubstr("no IDX file"));
  EXPECT_THAT(complaint([] {
                parse({0, 0, 0x0d, 1, 0, 0, 0, 1});
              }),
              HasSubstr("unsupported: digits: an IDX file of element type 0x0d"));
  EXPECT_THAT(complaint([] { parse({0, 0, 8, 0}); }), HasSubstr("0 axes"));
  EXPECT_THAT(complaint([] { parse({0, 0, 8, 5}); }), HasSubstr("5 axes"));
  EXPECT_THAT(complaint([] { parse({0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0}); }), HasSubstr("cut short"));
  EXPECT_THAT(complaint([] { parse({0, 0, 8, 1, 0, 0, 0, 0}); }), HasSubstr("size 0"));
}

TEST(IdxHeader, SizesThatMultiplyBeyondTheLimitAreRefused) {
  const auto huge = [] {
    parse({0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255});
  };
  EXPECT_THAT(complaint(huge), HasSubstr("unsupported: digits: its header states more than 2^32"));
  // 2^16 times 2^16 is the most.
  EXPECT_EQ(parse({0, 0, 8, 2, 0, 1, 0, 0, 0, 1, 0, 0}).bytes, std::uint64_t{1} << 32);
}

}  // namespace
}  // namespace merganser
