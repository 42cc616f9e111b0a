#include "linalg/testing.h"
#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings given(double alignment, double alpha = 0, double centralization = 1) {
  return settings_of(
      "rotate", {{"alignment", alignment}, {"alpha", alpha}, {"centralization", centralization}},
      {{}});
}

template <class T>
std::vector<T> rotated(const std::vector<T>& a, const std::vector<T>& b, Shape shape,
                       const Settings& settings) {
  return merge_one<T>("rotate", Made<T>(a, {b}, settings, "w", std::move(shape)));
}

// a q for an orthogonal q, plainly.
std::vector<double> turned(const std::vector<double>& a, std::size_t rows,
                           const Matrix<double>& q) {
  std::vector<double> out(a.size());
  const std::size_t n = q.rows();
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < n; ++c) {
      for (std::size_t k = 0; k < n; ++k) out[r * n + c] += a[r * n + k] * q(k, c);
    }
  }
  return out;
}

double farthest(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST(Rotate, WrittenOut) {
  // A quarter turn of two points that need no centring.
  const std::vector<double> a = {1, 0, -1, 0}, b = {0, 2, 0, -2};
  const auto out = rotated<double>(a, b, {2, 2}, given(1));
  EXPECT_LT(farthest(out, {0, 1, 0, -1}), 1e-15);
  const double half = std::sqrt(0.5);
  EXPECT_LT(farthest(rotated<double>(a, b, {2, 2}, given(0.5)), {half, half, -half, -half}), 1e-15);
}

TEST(Rotate, FindsARotationThatIsThere) {
  for (const auto& [rows, cols] :
       std::vector<std::pair<std::size_t, std::size_t>>{{20, 7}, {7, 7}, {5, 9}, {3, 40}}) {
    std::vector<double> a = normal<double>(rows * cols, 1);
    const Matrix<double> q = orthonormal_rows(cols, cols, 9);
    const auto b = turned(a, rows, q);
    // Rounding of two products and a decomposition in f64.
    EXPECT_LT(farthest(rotated<double>(a, b, {rows, cols}, given(1)), b), 1e-12) << rows;
    // alpha mixes what a rotation cannot reach: nothing here.
    EXPECT_LT(farthest(rotated<double>(a, b, {rows, cols}, given(1, 0.4)), b), 1e-12) << rows;
    EXPECT_LT(farthest(rotated<double>(a, b, {rows, cols}, given(0, 0.4)),
                       [&] {
                         // Turned back, b is a; its mean stays a's.
                         return a;
                       }()),
              1e-12)
        << rows;
  }
}

TEST(Rotate, KeepsLengthsAndIsNearest) {
  const std::size_t rows = 12, cols = 5;
  const auto a = normal<double>(rows * cols, 2), b = normal<double>(rows * cols, 3);
  const auto out = rotated<double>(a, b, {rows, cols}, given(1, 0, 0));
  double before = 0, after = 0, distance = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    before += a[i] * a[i];
    after += out[i] * out[i];
    distance += (out[i] - b[i]) * (out[i] - b[i]);
  }
  EXPECT_NEAR(before, after, 1e-12 * before);
  for (unsigned seed = 0; seed < 30; ++seed) {  // no other rotation comes nearer
    const auto other = turned(a, rows, orthonormal_rows(cols, cols, seed));
    double far = 0;
    for (std::size_t i = 0; i < a.size(); ++i) far += (other[i] - b[i]) * (other[i] - b[i]);
    EXPECT_GE(far, distance);
  }
}

TEST(Rotate, EndsAndVectors) {
  const auto a = normal<float>(60, 4), b = normal<float>(60, 5);
  EXPECT_EQ(rotated<float>(a, b, {6, 10}, given(0)), a);
  EXPECT_EQ(rotated<float>(a, b, {6, 10}, given(1, 1)), b);
  const auto line = rotated<float>(a, b, {60}, given(1, 0.25));
  for (std::size_t i = 0; i < 60; ++i) EXPECT_NEAR(line[i], 0.75 * a[i] + 0.25 * b[i], 1e-6);
}

TEST(Rotate, DegenerateMatrices) {
  const std::vector<double> zero(12), a = normal<double>(12, 6);
  for (const double alignment : {1.0, 0.5}) {
    // Nothing to turn towards: what a^T b leaves open is left alone.
    EXPECT_LT(farthest(rotated<double>(a, zero, {4, 3}, given(alignment, 0, 0)), a), 1e-14);
    EXPECT_EQ(rotated<double>(zero, a, {4, 3}, given(alignment, 0, 0)), zero);
    EXPECT_LT(farthest(rotated<double>(a, a, {4, 3}, given(alignment)), a), 1e-13);
    EXPECT_LT(farthest(rotated<double>(a, a, {1, 12}, given(alignment)), a), 1e-13);
    EXPECT_LT(farthest(rotated<double>(a, a, {12, 1}, given(alignment)), a), 1e-13);
    EXPECT_LT(farthest(rotated<double>(a, a, {2, 3, 2}, given(alignment)), a), 1e-13);
  }
  EXPECT_TRUE(rotated<double>({}, {}, {0, 3}, given(1, 0.5)).empty());
}

}  // namespace
}  // namespace merganser::test
