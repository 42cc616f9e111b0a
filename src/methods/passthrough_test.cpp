#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings scaled(double factor) { return settings_of("passthrough", {}, {{{"scale", factor}}}); }
Settings plain() { return settings_of("passthrough", {}, {{}}); }

template <class T>
class Passthrough : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Passthrough, Types);

TYPED_TEST(Passthrough, WrittenOut) {
  using T = TypeParam;
  EXPECT_EQ(merge_one<T>("passthrough", {{}, {{1, -2, 3}}, scaled(0.5)}),
            (std::vector<T>{0.5, -1, 1.5}));
  EXPECT_EQ(merge_one<T>("passthrough", {{}, {{1, -2, 3}}, scaled(-1)}),
            (std::vector<T>{-1, 2, -3}));
  EXPECT_EQ(merge_one<T>("passthrough", {{}, {{1, -2, 3}}, scaled(0)}), (std::vector<T>{0, 0, 0}));
  EXPECT_EQ(merge_one<T>("passthrough", {{}, {{}}, scaled(2)}), std::vector<T>{});
}

TYPED_TEST(Passthrough, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    const auto x = normal<T>(n, 1);
    std::vector<Term> terms(n);
    for (std::size_t i = 0; i < n; ++i) terms[i].add(Exact{0.3} * x[i]);
    // The factor is rounded to T, then one product.
    expect_rounded(merge_one<T>("passthrough", {{}, {x}, scaled(0.3)}), terms, 2);
  }
}

TEST(PassthroughOutline, CopiesWithoutAScale) {
  const Descriptor& method = require_method("passthrough");
  EXPECT_EQ(outline_of(method, plain()).copy, 0u);
  EXPECT_EQ(outline_of(method, scaled(1)).copy, 0u);
  EXPECT_EQ(outline_of(method, scaled(2)).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, scaled(0)).copy, Outline::kNoCopy);
  const float odd = std::bit_cast<float>(0x7FA12345u);
  EXPECT_TRUE(
      same_bits(merge_one<float>("passthrough", {{}, {{odd, -0.0f}}, plain()}), {odd, -0.0f}));
}

}  // namespace
}  // namespace merganser::test
