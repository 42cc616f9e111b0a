#include "kernels/approach.h"

#include <gmock/gmock.h>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

template <class T>
class Approach : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Approach, Types);

TYPED_TEST(Approach, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> from(6, 1), to = {1, 1.25, 1.5, 3, -3, 0.5};
  on_every_target([&] {
    std::vector<T> out(6);
    approach<T>(from.data(), to.data(), T(0.5), T(0.25), out.data(), 6);
    EXPECT_THAT(out, ::testing::ElementsAre(1, 1.25, 1.5, 1.5, 0.5, 0.5));
  });
}

TYPED_TEST(Approach, EqualsTheReference) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      for (const Values kind : {Values::ordinary, Values::special}) {
        const auto a = test_values<T>(n + 1, 1, kind), x = test_values<T>(n + 1, 2, kind);
        std::vector<T> fast(n), slow(n);
        approach<T>(a.data() + 1, x.data() + 1, T(0.3), T(1e-6), fast.data(), n);
        reference::approach<T>(a.data() + 1, x.data() + 1, T(0.3), T(1e-6), slow.data(), n);
        ASSERT_TRUE(same(fast, slow)) << n;
      }
    }
  });
}

}  // namespace
}  // namespace merganser
