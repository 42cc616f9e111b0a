#include "search/path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "base/testing.h"

namespace merganser::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Path, LineIsEvenAndEndsExactly) {
  const auto path = line_path(5);
  ASSERT_EQ(path.size(), 5u);
  EXPECT_THAT(path.front().parameters, ElementsAre(1, 0));
  EXPECT_THAT(path[1].parameters, ElementsAre(0.75, 0.25));
  EXPECT_THAT(path.back().parameters, ElementsAre(0, 1));
}

TEST(Path, SlerpKeepsTheLengthOfEqualVectorsAndItsSpeed) {
  const double angle = 1.25;
  const auto path = slerp_path(6, angle);
  EXPECT_THAT(path.front().parameters, ElementsAre(1, 0));
  EXPECT_THAT(path.back().parameters, ElementsAre(0, 1));
  const double cosine = std::cos(angle);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const double a = path[i].parameters[0], b = path[i].parameters[1];
    EXPECT_NEAR(a * a + b * b + 2 * a * b * cosine, 1, 1e-12);
    // The angle to A: <A, aA + bB> = a + b cos.
    EXPECT_NEAR(std::acos(std::min(1.0, a + b * cosine)), path[i].lambda * angle, 1e-7);
    EXPECT_THAT(path[i].statistics, ElementsAre(1 - path[i].lambda, path[i].lambda));
  }
}

TEST(Path, SlerpWithoutAnAngleIsTheLine) {
  EXPECT_EQ(slerp_path(5, 1e-9)[1].parameters, line_path(5)[1].parameters);
}

TEST(Path, SlerpBetweenOppositesIsRefused) {
  EXPECT_THAT(test::complaint([] { slerp_path(5, std::numbers::pi); }),
              HasSubstr("opposite directions"));
}

TEST(Path, AngleOfVectors) {
  // (1, 0) and (1, 1).
  EXPECT_NEAR(angle_of({{1, 1}, {1, 2}}), std::numbers::pi / 4, 1e-12);
  EXPECT_THAT(test::complaint([] { angle_of({{0, 0}, {0, 2}}); }), HasSubstr("all zeros"));
}

Gram gram_of(const std::vector<std::vector<double>>& vectors) {
  Gram gram(vectors.size(), std::vector<double>(vectors.size()));
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    for (std::size_t j = 0; j < vectors.size(); ++j) {
      for (std::size_t k = 0; k < vectors[i].size(); ++k)
        gram[i][j] += vectors[i][k] * vectors[j][k];
    }
  }
  return gram;
}

TEST(Plane, ItsBasisIsOrthonormalAndItHoldsTheModels) {
  const std::vector<std::vector<double>> models = {{1, 2, 3, 4}, {2, -1, 0.5, 3}, {-3, 1, 2, 0.25}};
  const Plane plane(gram_of(models));
  const auto at = [&](double x, double y) {
    const Coefficients factors = plane.at(x, y);
    std::vector<double> point(4);
    for (std::size_t m = 0; m < 3; ++m) {
      for (std::size_t k = 0; k < 4; ++k) point[k] += factors[m] * models[m][k];
    }
    return point;
  };
  const auto origin = at(0, 0), right = at(1, 0), up = at(0, 1);
  double along = 0, across = 0, product = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    along += (right[k] - origin[k]) * (right[k] - origin[k]);
    across += (up[k] - origin[k]) * (up[k] - origin[k]);
    product += (right[k] - origin[k]) * (up[k] - origin[k]);
  }
  EXPECT_NEAR(along, 1, 1e-12);
  EXPECT_NEAR(across, 1, 1e-12);
  EXPECT_NEAR(product, 0, 1e-12);
  for (std::size_t m = 0; m < 3; ++m) {
    const auto& place = plane.models()[m];
    const auto point = at(place[0], place[1]);
    for (std::size_t k = 0; k < 4; ++k) EXPECT_NEAR(point[k], models[m][k], 1e-12);
    Coefficients only(3);
    only[m] = 1;
    EXPECT_EQ(plane.at(place[0], place[1]), only);
  }
  EXPECT_GT(plane.models()[2][1], 0);
}

TEST(Plane, ModelsOnOneLineSpanNone) {
  const auto refused = [](std::vector<std::vector<double>> models) {
    return test::complaint([&] { Plane{gram_of(models)}; });
  };
  EXPECT_THAT(refused({{1, 2}, {2, 4}, {3, 6}}), HasSubstr("on one line"));
  EXPECT_THAT(refused({{1, 2}, {1, 2}, {3, 5}}), HasSubstr("on one line"));
  EXPECT_THAT(refused({{1, 2}, {3, 5}, {1, 2}}), HasSubstr("on one line"));
}

}  // namespace
}  // namespace merganser::rt
