#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

struct Options {
  bool filter_wise = false;
  const char* pair_mean = "cosine";
  double norm_floor = 1e-6;
};

Settings stock(std::size_t models, const Options& options = {}) {
  return settings_of("model_stock",
                     {{"filter_wise", options.filter_wise},
                      {"pair_mean", options.pair_mean},
                      {"norm_floor", options.norm_floor}},
                     std::vector<Settings::Table>(models));
}

template <class T>
Made<T> made(std::size_t n, unsigned models, const Options& options = {}, Shape shape = {}) {
  Made<T> made;
  made.base = normal<T>(n, 1);
  for (unsigned m = 0; m < models; ++m) made.models.push_back(tuned(made.base, 10 + m));
  // Changes with something in common.
  const auto common = normal<T>(n, 9, 0.02);
  for (auto& model : made.models) {
    for (std::size_t i = 0; i < n; ++i) model[i] += common[i];
  }
  made.settings = stock(models, options);
  made.shape = std::move(shape);
  return made;
}

// The elements [first, last) of it.
template <class T>
void reference(const Made<T>& made, std::size_t first, std::size_t last, const Options& options,
               std::vector<Term>& terms) {
  const std::size_t models = made.models.size();
  std::vector<std::vector<T>> d;
  for (const auto& model : made.models) d.push_back(delta(model, made.base));
  const auto product = [&](std::size_t a, std::size_t b) {
    Exact sum = 0;
    for (std::size_t i = first; i < last; ++i) sum += Exact{d[a][i]} * d[b][i];
    return sum;
  };
  Exact sum = 0;
  int pairs = 0;
  for (std::size_t a = 0; a < models; ++a) {
    for (std::size_t b = 0; b < a; ++b, ++pairs) {
      const Exact norms =
          std::max<Exact>(std::sqrt(product(a, a)) * std::sqrt(product(b, b)), options.norm_floor);
      const Exact c = norms > 0 ? std::clamp<Exact>(product(a, b) / norms, -1, 1) : 0;
      sum += options.pair_mean[0] == 'a' ? std::acos(c) : c;
    }
  }
  Exact c = sum / pairs;
  if (options.pair_mean[0] == 'a') c = std::cos(c);
  const Exact divisor = 1 + (models - 1) * c;
  const Exact t = std::abs(divisor) < 1e-6L ? 0 : models * c / divisor;
  for (std::size_t i = first; i < last; ++i) {
    Term& term = terms.emplace_back();
    term.add(made.base[i]);
    for (std::size_t m = 0; m < models; ++m) term.add(t / models * d[m][i]);
  }
}

// A factor rounded to T, a product, as many sums as models, the base added; the deltas are exact to
// the reference. Double: the factor comes from f64 sums.
template <class T>
constexpr int kRoundings = std::is_same_v<T, float> ? 6 : 40;

template <class T>
class ModelStock : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ModelStock, Types);

TYPED_TEST(ModelStock, WrittenOut) {
  using T = TypeParam;
  // d = (2, 0), (1, 1): cos = 1/sqrt 2, t = 2 cos / (1 + cos), the mean is b + (1.5, 0.5).
  const auto y = merge_one<T>("model_stock", {{1, 1}, {{3, 1}, {2, 2}}, stock(2)});
  const double t = std::sqrt(2.0) / (1 + std::sqrt(0.5));
  EXPECT_NEAR(y[0], 1 + 1.5 * t, 1e-6);
  EXPECT_NEAR(y[1], 1 + 0.5 * t, 1e-6);
  // The same change: cos = 1, t = 1, the mean. At right angles: t = 0, the base.
  EXPECT_EQ(merge_one<T>("model_stock", {{1, 1}, {{3, 1}, {2, 1}}, stock(2)}),
            (std::vector<T>{2.5, 1}));
  EXPECT_EQ(merge_one<T>("model_stock", {{1, 1}, {{3, 1}, {1, 2}}, stock(2)}),
            (std::vector<T>{1, 1}));
  EXPECT_EQ(merge_one<T>("model_stock", {{}, {{}, {}}, stock(2)}), std::vector<T>{});
}

TYPED_TEST(ModelStock, NegativeCosinesExtrapolate) {
  using T = TypeParam;
  // d = (2, 0), (-1, sqrt 3): cos = -1/2, t = -2 (MergeKit, measured).
  const T root = static_cast<T>(std::sqrt(3.0));
  const auto y = merge_one<T>("model_stock", {{0, 0}, {{2, 0}, {-1, root}}, stock(2)});
  EXPECT_NEAR(y[0], -1, 1e-5);
  EXPECT_NEAR(y[1], -std::sqrt(3.0), 1e-5);
  // Opposite: 1 + cos = 0, the base.
  EXPECT_EQ(merge_one<T>("model_stock", {{1, 1}, {{2, 2}, {0, 0}}, stock(2)}),
            (std::vector<T>{1, 1}));
}

TYPED_TEST(ModelStock, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    for (const unsigned models : {2u, 3u, 5u}) {
      for (const char* pair_mean : {"cosine", "angle"}) {
        SCOPED_TRACE(testing::Message() << n << ' ' << models << ' ' << pair_mean);
        const Options options{.pair_mean = pair_mean};
        const auto one = made<T>(n, models, options);
        std::vector<Term> terms;
        reference(one, 0, n, options, terms);
        expect_rounded(merge_one("model_stock", one), terms, kRoundings<T>);
      }
    }
  }
}

TYPED_TEST(ModelStock, FilterWiseTakesTheRowsOfTheLastAxis) {
  using T = TypeParam;
  const std::vector<Shape> shapes = {{40, 65}, {3, 5, 7}, {5, 3000}, {2600, 1}, {1, 70},
                                     {70},     {0, 5},    {5, 0},    {2, 1, 3}};
  for (const Shape& shape : shapes) {
    for (const char* pair_mean : {"cosine", "angle"}) {
      // Angles of 0, 180 and 180 degrees have the mean 120, where t has no limit.
      if (shape.back() == 1 && pair_mean[0] == 'a') continue;
      SCOPED_TRACE(testing::Message() << testing::PrintToString(shape) << pair_mean);
      const Options options{.filter_wise = true, .pair_mean = pair_mean};
      const std::size_t n = elements(shape), row = shape.back();
      const auto one = made<T>(n, 3, options, shape);
      std::vector<Term> terms;
      for (std::size_t first = 0; first < n; first += row) {
        reference(one, first, first + row, options, terms);
      }
      expect_rounded(merge_one("model_stock", one), terms, kRoundings<T>);
    }
  }
}

TYPED_TEST(ModelStock, ASmallChangeLosesItsAngleToTheFloor) {
  using T = TypeParam;
  // |d|^2 = 1e-8 is taken as 1e-6: cos = 0.01, t = 0.02 / 1.01. Without the floor t = 1.
  const std::vector<std::vector<T>> models = {{static_cast<T>(1e-4), 0}, {static_cast<T>(1e-4), 0}};
  const auto floored = merge_one<T>("model_stock", {{0, 0}, models, stock(2)});
  EXPECT_NEAR(floored[0] / 1e-4, 0.02 / 1.01, 1e-6);
  const auto exact = merge_one<T>("model_stock", {{0, 0}, models, stock(2, {.norm_floor = 0})});
  EXPECT_NEAR(exact[0] / 1e-4, 1, 1e-6);
}

TYPED_TEST(ModelStock, WithoutChangesTheBaseStays) {
  using T = TypeParam;
  const std::vector<T> b = {1, -2, 3}, other = {4, 4, 4};
  for (const double norm_floor : {0.0, 1e-6}) {
    for (const bool filter_wise : {false, true}) {
      const Settings settings = stock(2, {filter_wise, "cosine", norm_floor});
      EXPECT_EQ(merge_one<T>("model_stock", {b, {b, b}, settings}), b);
      EXPECT_EQ(merge_one<T>("model_stock", {b, {b, other}, settings}), b);  // cos = 0
    }
  }
}

TEST(ModelStockFacts, AreRatioAndCosine) {
  const Made<double> one{{0, 0}, {{2, 0}, {1, 1}}, stock(2)};
  GroupRun<double> run(require_method("model_stock"), {&one}, {});
  run.run();
  const auto facts = run.merger().facts(0);
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[0].name, "t");
  EXPECT_NEAR(facts[0].values.at(0), std::sqrt(2.0) / (1 + std::sqrt(0.5)), 1e-12);
  EXPECT_EQ(facts[1].name, "cosine");
  EXPECT_NEAR(facts[1].values.at(0), std::sqrt(0.5), 1e-12);
  EXPECT_EQ(run.passes(), 1u);
}

TEST(ModelStockOutline, ReadsRowsInOneSweep) {
  const Descriptor& method = require_method("model_stock");
  EXPECT_EQ(outline_of(method, stock(2)).sweeps, 2u);
  EXPECT_EQ(outline_of(method, stock(2)).unit, Unit::element);
  const Outline rows = outline_of(method, stock(2, {.filter_wise = true}));
  EXPECT_EQ(rows.sweeps, 1u);
  EXPECT_EQ(rows.unit, Unit::row);
}

}  // namespace
}  // namespace merganser::test
