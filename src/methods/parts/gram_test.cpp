#include "methods/parts/gram.h"

#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::methods {
namespace {

Gram gram_of(std::vector<double> packed, std::size_t vectors) {
  Gram gram(vectors);
  std::copy(packed.begin(), packed.end(), gram.packed().begin());
  return gram;
}

TEST(Gram, WrittenOut) {
  // x0 = (3, 4), x1 = (1, 0), x2 = (0, 2).
  const std::vector<float> x0 = {3, 4}, x1 = {1, 0}, x2 = {0, 2};
  const std::vector<const float*> x = {x0.data(), x1.data(), x2.data()};
  Gram gram(3);
  inner_products<float>(x, 2, gram.packed());
  EXPECT_EQ(std::vector<double>(gram.packed().begin(), gram.packed().end()),
            (std::vector<double>{25, 3, 1, 8, 0, 4}));
  EXPECT_EQ(gram.size(), 3u);
  EXPECT_EQ(gram(0, 2), 8);
  EXPECT_EQ(gram(2, 0), 8);
  EXPECT_EQ(gram(2, 1), 0);
  EXPECT_EQ(gram.norm(0), 5);
  const std::vector<double> c = {1, -3, -2};  // x0 - 3 x1 - 2 x2 = 0
  EXPECT_EQ(gram.norm(c), 0);
  EXPECT_EQ(gram.norm(std::vector<double>{0, 4, 1.5}), 5);
  EXPECT_EQ(gram.dot(0, std::vector<double>{0, 4, 1.5}), 24);
}

TEST(Gram, TheNormOfACombinationIsNeverUndefined) {
  // Rounding may leave a sum below 0.
  EXPECT_EQ(gram_of({1, 1, 1 - 1e-15}, 2).norm(std::vector<double>{1, -1}), 0);
  EXPECT_EQ(Gram(0).norm(std::vector<double>{}), 0);
}

}  // namespace
}  // namespace merganser::methods
