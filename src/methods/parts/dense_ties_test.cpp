#include "methods/parts/dense_ties.h"

#include <gmock/gmock.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

using methods::merge_dense_ties;
using methods::trim_to_density;
using ::testing::ElementsAre;

TEST(DenseTies, TrimsToTheLargest) {
  std::vector<float> x = {1, -3, 2, -2, 0.5f};
  trim_to_density(x.data(), 5, 0.4);
  EXPECT_THAT(x, ElementsAre(0, -3, 2, 0, 0));  // of the equals 2 and -2 the first
  trim_to_density(x.data(), 5, 0.01);           // at least one
  EXPECT_THAT(x, ElementsAre(0, -3, 0, 0, 0));
  trim_to_density(x.data(), 5, 0);
  EXPECT_THAT(x, ElementsAre(0, 0, 0, 0, 0));
  trim_to_density(x.data(), 0, 0.5);
  x = {1, 2, 3, 4, 5};
  trim_to_density(x.data(), 5, 1);
  EXPECT_THAT(x, ElementsAre(1, 2, 3, 4, 5));
}

TEST(DenseTies, TrimsAsTheReference) {
  for (const double density : {0.01, 0.2, 0.5, 0.99}) {
    auto x = normal<double>(5000, 3);
    x[7] = x[8] = x[4000];
    const auto kept = largest_share(x, density);
    auto wanted = x;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!kept[i]) wanted[i] = 0;
    }
    trim_to_density(x.data(), x.size(), density);
    EXPECT_EQ(x, wanted);
  }
}

TEST(DenseTies, MeanOfTheAgreeing) {
  std::vector<float> a = {1, -1, 2, 0}, b = {3, 2, -1, 0};
  std::vector<float*> x = {a.data(), b.data()};
  merge_dense_ties<float>(x, std::vector<double>{1, 1}, a.data(), 4);
  EXPECT_THAT(a, ElementsAre(2, 2, 2, 0));
}

}  // namespace
}  // namespace merganser::test
