#include "base/random.h"

#include <gtest/gtest.h>

namespace merganser {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known answers of the Random123 distribution (tests/kat_vectors).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Draw16, FollowsTheDocumentedLayout) {
  const RandomStream stream{0x299f31d0a4093822, 0x0370734413198a2e};
  const std::uint64_t block = 0x05a308d3243f6a88;
  const Words words =
      philox({0x243f6a88, 0x05a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
  const Words second =
      philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
  for (std::uint64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(draw16(stream, block * 8 + i), (words[i / 2] >> (i % 2 * 16)) & 0xFFFF);
    EXPECT_EQ(draw16(stream, block * 8 + i, true), (second[i / 2] >> (i % 2 * 16)) & 0xFFFF);
  }
}

TEST(KeepThreshold, Rounds) {
  EXPECT_EQ(keep_threshold(0), 0u);
  EXPECT_EQ(keep_threshold(0.5), 0x80000000u);
  EXPECT_EQ(keep_threshold(0.1), 429496730u);
  EXPECT_EQ(keep_threshold(1), std::uint64_t{1} << 32);
}

TEST(Keeps, NothingAndEverything) {
  for (std::uint64_t element = 0; element < 200000; ++element) {
    EXPECT_FALSE(keeps({1, 2}, element, 0));
    EXPECT_TRUE(keeps({1, 2}, element, std::uint64_t{1} << 32));
  }
}

TEST(Keeps, RefinesOnEquality) {
  // The threshold whose upper half is the element's own draw: the second 16 bits decide.
  const RandomStream stream{7, 11};
  for (std::uint64_t element = 0; element < 1000; ++element) {
    const std::uint64_t upper = draw16(stream, element), lower = draw16(stream, element, true);
    EXPECT_FALSE(keeps(stream, element, upper << 16 | lower));
    if (lower == 0xFFFF) continue;
    EXPECT_TRUE(keeps(stream, element, upper << 16 | (lower + 1)));
  }
}

TEST(Keeps, Frequency) {
  const double p = 0.37;
  const std::uint64_t n = 1000000, threshold = keep_threshold(p);
  std::uint64_t kept = 0;
  for (std::uint64_t element = 0; element < n; ++element) kept += keeps({3, 5}, element, threshold);
  EXPECT_NEAR(static_cast<double>(kept), p * n, 5 * 483);  // 5 standard deviations
}

}  // namespace
}  // namespace merganser
