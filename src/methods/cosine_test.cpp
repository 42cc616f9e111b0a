#include <fmt/format.h>
#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class Cosine : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Cosine, Types);

Settings with(double alpha, const char* mode = "cosineA") {
  return settings_of("cosine", {{"alpha", alpha}, {"mode", mode}}, {{}});
}

// The sources' formulas, a tensor at a time, all numbers at hand.
template <class T>
struct Reference {
  std::vector<std::vector<Exact>> cosines, similarities;  // of each tensor's columns
  std::vector<Exact> for_range;

  Reference(const std::vector<Made<T>>& tensors, const std::string& mode) {
    for (const Made<T>& made : tensors) add(made, mode);
  }

  void add(const Made<T>& made, const std::string& mode) {
    const bool is_a = mode == "cosineA" || mode == "add_cosine_a";
    const std::size_t rows = made.shape.empty() ? made.size() : made.shape[0];
    const std::size_t width = rows == 0 ? 0 : made.size() / rows;
    std::vector<Exact> a(made.base.begin(), made.base.end());
    std::vector<Exact> b(made.models[0].begin(), made.models[0].end());
    std::vector<Exact> column(width);
    for (std::size_t j = 0; j < width; ++j) {
      Exact aa = 0, ab = 0, bb = 0;
      for (std::size_t i = j; i < a.size(); i += width) {
        aa += a[i] * a[i];
        ab += a[i] * b[i];
        bb += b[i] * b[i];
      }
      const Exact shortest = is_a ? 1e-12L : 1e-8L;
      const Exact na = std::max(std::sqrt(aa), shortest), nb = std::max(std::sqrt(bb), shortest);
      column[j] = ab / (na * nb);
      for (std::size_t i = j; is_a && i < a.size(); i += width) {
        a[i] /= na;
        b[i] /= nb;
      }
    }
    Exact aa = 0, ab = 0, bb = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      aa += a[i] * a[i];
      ab += a[i] * b[i];
      bb += b[i] * b[i];
    }
    const bool defined = aa > 0 && bb > 0;
    const Exact whole = defined ? ab / (std::sqrt(aa) * std::sqrt(bb)) : 0;
    std::vector<Exact> similarity;
    for (const Exact c : column) similarity.push_back(mode == "add_cosine_a" ? c : (c + whole) / 2);
    if (mode == "cosineA") for_range.insert(for_range.end(), column.begin(), column.end());
    if (mode == "cosineB" && defined) {
      for_range.insert(for_range.end(), similarity.begin(), similarity.end());
    }
    cosines.push_back(column);
    similarities.push_back(similarity);
  }

  // numpy.percentile(values, q, method="midpoint")
  static Exact percentile(std::vector<Exact> values, Exact q) {
    std::sort(values.begin(), values.end());
    const Exact place = static_cast<Exact>(values.size() - 1) * q / 100;
    return (values[static_cast<std::size_t>(std::floor(place))] +
            values[static_cast<std::size_t>(std::ceil(place))]) /
           2;
  }

  std::pair<Exact, Exact> range() const {
    std::vector<Exact> values = for_range;
    std::erase_if(values, [low = percentile(values, 1)](Exact x) { return x < low; });
    std::erase_if(values, [high = percentile(values, 99)](Exact x) { return x > high; });
    return {*std::min_element(values.begin(), values.end()),
            *std::max_element(values.begin(), values.end())};
  }

  std::vector<Term> merged(const Made<T>& made, std::size_t tensor, Exact low, Exact high,
                           Exact alpha) const {
    std::vector<Term> terms(made.size());
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const auto& similarity = similarities[tensor];
      const Exact s = similarity[i % similarity.size()];
      const Exact k = std::clamp<Exact>((s - low) / (high - low) - alpha, 0, 1);
      terms[i].add((1 - k) * made.models[0][i]);
      terms[i].add(k * made.base[i]);
      // 1 - k is rounded as 1 is.
      terms[i].size += std::abs(Exact{made.models[0][i]}) / 2;
    }
    return terms;
  }
};

// k rounded to T, 1 - k, two products and a sum. In f64 k itself is made from sums that are off by
// 2^-48 times rows, divided by the range.
template <class T>
constexpr int kRoundings = std::is_same_v<T, float> ? 5 : 20000;

template <class T>
std::vector<Made<T>> model(const char* mode, double alpha) {
  std::vector<Made<T>> tensors;
  const std::vector<Shape> shapes = {{60, 90}, {3000}, {4, 3000}, {20, 7, 3, 3}, {1, 40}, {0, 4}};
  for (unsigned i = 0; i < shapes.size(); ++i) {
    const std::size_t n = elements(shapes[i]);
    const auto a = normal<T>(n, i);
    auto b = normal<T>(n, 40 + i);
    // From unlike to alike along the columns.
    for (std::size_t j = 0; j < n; ++j) {
      b[j] = a[j] + b[j] * static_cast<T>(j % 11) / 4;
    }
    tensors.push_back({a, {b}, with(alpha, mode), fmt::format("w{}", i), shapes[i]});
  }
  return tensors;
}

TYPED_TEST(Cosine, WrittenOutByTensor) {
  using T = TypeParam;
  // Columns (1,0) and (1,0): alike; (0,2) and (3,0): at a right angle; (3,4) and (-3,-4): opposite.
  const std::vector<T> a = {1, 0, 3, 0, 2, 4}, b = {5, 3, -3, 0, 0, -4};
  EXPECT_EQ(merge_one<T>("cosine", {a, {b}, with(0, "add_cosine_a"), "w", {2, 3}}),
            (std::vector<T>{1, 3, -3, 0, 0, -4}));
  EXPECT_EQ(merge_one<T>("cosine", {a, {b}, with(0.5, "add_cosine_a"), "w", {2, 3}}),
            (std::vector<T>{3, 3, -3, 0, 0, -4}));
  EXPECT_EQ(merge_one<T>("cosine", {a, {b}, with(-1, "add_cosine_a"), "w", {2, 3}}),
            (std::vector<T>{1, 0, -3, 0, 2, -4}));
  // One axis is one column, here at 45 degrees; so is the tensor.
  const auto y = merge_one<T>("cosine", {{1, 1}, {{3, 0}}, with(0, "add_cosine_b")});
  const double k = std::sqrt(0.5);
  EXPECT_NEAR(y[0], 3 - 2 * k, 1e-6);
  EXPECT_NEAR(y[1], k, 1e-6);
}

TYPED_TEST(Cosine, WrittenOutByModel) {
  using T = TypeParam;
  // 101 columns of one element with cosines -1 and 1: the percentiles leave both. Two tensors.
  const std::vector<T> a(101, 1);
  std::vector<T> b(101, 3);
  for (std::size_t i = 0; i < 50; ++i) b[i] = -3;
  const auto y = merge<T>(
      "cosine", {{a, {b}, with(0.25), "w", {1, 101}}, {{1, 0}, {{1, 0}}, with(0.25), "v", {2}}});
  // The tensor's cosine is 1/101. -1: (-1 + 1/101)/2 lies 0.25 of the range above its end, 1: as
  // much below 1.
  const double whole = 1.0 / 101;
  const double low = ((-1 + whole) / 2 + 1) / 2 - 0.25, high = ((1 + whole) / 2 + 1) / 2 - 0.25;
  EXPECT_NEAR(y[0][0], -3 * (1 - low) + low, 1e-6);
  EXPECT_NEAR(y[0][100], 3 * (1 - high) + high, 1e-6);
  EXPECT_EQ(y[1], (std::vector<T>{1, 0}));
}

TYPED_TEST(Cosine, EqualsReference) {
  using T = TypeParam;
  for (const char* mode : {"cosineA", "cosineB", "add_cosine_a", "add_cosine_b"}) {
    for (const double alpha : {0.2, -0.4}) {
      SCOPED_TRACE(mode);
      const auto tensors = model<T>(mode, alpha);
      const Reference<T> reference(tensors, mode);
      Exact low = 0, high = 1, from_k = alpha;
      if (reference.for_range.size() > 1) {
        std::tie(low, high) = reference.range();
        if (mode == std::string("cosineA")) from_k = std::abs(from_k);
      }
      const auto merged = merge<T>("cosine", tensors);
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        SCOPED_TRACE(t);
        expect_rounded(merged[t], reference.merged(tensors[t], t, low, high, from_k),
                       kRoundings<T>);
      }
    }
  }
}

TYPED_TEST(Cosine, VectorsWithoutADirection) {
  using T = TypeParam;
  // A zero column has the cosine 0 with any other: all of it is the model's. supermerger's and
  // sd-mecha's whole-tensor cosine is 0/0 here, and so their result.
  EXPECT_EQ(merge_one<T>("cosine", {{0, 0}, {{1, -2}}, with(0, "add_cosine_b")}),
            (std::vector<T>{1, -2}));
  EXPECT_EQ(merge_one<T>("cosine", {{1, -2}, {{0, 0}}, with(0, "add_cosine_a")}),
            (std::vector<T>{0, 0}));
  for (const char* mode : {"cosineA", "cosineB"}) {
    const auto merged = merge<T>(
        "cosine", {{{0, 0}, {{0, 0}}, with(0.5, mode), "v"}, {{1, 0}, {{1, 0}}, with(0.5, mode)}});
    EXPECT_EQ(merged[0], (std::vector<T>{0, 0}));
    EXPECT_EQ(merged[1], (std::vector<T>{1, 0}));
    EXPECT_EQ(merge_one<T>("cosine", {{}, {{}}, with(0.5, mode)}), std::vector<T>{});
    // All cosines are one: it is the most similar there is, so k = 1 - alpha.
    EXPECT_EQ(merge_one<T>("cosine", {{4}, {{8}}, with(0.25, mode)}), std::vector<T>{5});
  }
}

TEST(CosineOutline, CopiesAndScopes) {
  const Descriptor& method = require_method("cosine");
  EXPECT_TRUE(outline_of(method, with(1)).whole_model);
  EXPECT_EQ(outline_of(method, with(1)).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, with(1)).sweeps, 3u);
  for (const char* mode : {"add_cosine_a", "add_cosine_b"}) {
    EXPECT_EQ(outline_of(method, with(1, mode)).copy, 0u);
    EXPECT_EQ(outline_of(method, with(-2, mode)).copy, Outline::kCopyBase);
    EXPECT_FALSE(outline_of(method, with(0, mode)).whole_model);
  }
  MergeTensor tensor{"first_stage_model.w", {2, 2}, 4, with(0.5), {}};
  EXPECT_EQ(method.outline(tensor).copy, Outline::kCopyBase);
  tensor.settings = with(0.5, "add_cosine_a");
  EXPECT_EQ(method.outline(tensor).copy, Outline::kNoCopy);
}

}  // namespace
}  // namespace merganser::test
