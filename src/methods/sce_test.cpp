#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings with(std::size_t models, double topk = 1, double equal_below = 1e-6) {
  return settings_of("sce", {{"select_topk", topk}, {"equal_below", equal_below}},
                     std::vector<Settings::Table>(models));
}

template <class T>
std::vector<T> variances(const std::vector<std::vector<T>>& d) {
  std::vector<T> out(d[0].size());
  for (std::size_t j = 0; j < out.size(); ++j) {
    Exact mean = 0, sum = 0;
    for (const auto& model : d) mean += Exact{model[j]} / d.size();
    for (const auto& model : d) sum += (model[j] - mean) * (model[j] - mean);
    // f64 has the rounding of a mean of equal numbers; here they differ or are all the same.
    bool equal = true;
    for (const auto& model : d) equal &= model[j] == d[0][j];
    out[j] = equal ? 0 : static_cast<T>(static_cast<double>(sum / d.size()));
  }
  return out;
}

template <class T>
std::vector<Term> reference(const Made<T>& made, double topk, Exact equal_below = 1e-6L) {
  std::vector<std::vector<T>> d;
  for (const auto& model : made.models) d.push_back(delta(model, made.base));
  const std::size_t n = made.base.size(), models = d.size();
  if (topk < 1) {
    const auto spread = variances(d);
    const auto nonzero =
        n - static_cast<std::size_t>(std::count(spread.begin(), spread.end(), T{0}));
    const auto kept =
        largest(spread, static_cast<std::size_t>(static_cast<double>(nonzero) * topk));
    for (auto& x : d) {
      for (std::size_t j = 0; j < n; ++j) x[j] = kept[j] ? x[j] : 0;
    }
  }
  std::vector<Exact> w(models);
  Exact total = 0;
  for (std::size_t i = 0; i < models; ++i) {
    for (const T x : d[i]) w[i] += Exact{x} * x / n;
    total += w[i];
  }
  for (Exact& x : w) x = total < equal_below || total == 0 ? Exact{1} / models : x / total;
  std::vector<Term> terms(n);
  for (std::size_t j = 0; j < n; ++j) {
    T votes = 0;
    for (const auto& x : d) votes += x[j];
    const int sign = votes >= 0 ? 1 : -1;
    Exact sum = 0, weight = 0, size = 0;
    for (std::size_t i = 0; i < models; ++i) {
      if (d[i][j] * sign <= 0) continue;
      sum += w[i] * d[i][j];
      size += w[i] * std::abs(d[i][j]);
      weight += w[i];
    }
    weight = std::max<Exact>(weight, 1e-6L);
    terms[j].add(made.base[j]);
    terms[j].value += sum / weight;
    terms[j].size += size / weight;
  }
  return terms;
}

template <class T>
Made<T> made(std::size_t n, std::size_t models, Settings settings, double deviation = 0.02) {
  Made<T> made;
  made.base = normal<T>(n, 1);
  for (unsigned m = 0; m < models; ++m) {
    made.models.push_back(tuned(made.base, 10 + m, deviation * (m + 1)));
  }
  // Positions where no model differs from the others, or none moved.
  for (std::size_t j = 0; j < n; j += 7) {
    for (auto& model : made.models) model[j] = j % 2 == 0 ? made.base[j] : made.base[j] + T{1};
  }
  made.settings = std::move(settings);
  return made;
}

// Weight, product, sums of weights and of products by models, quotient, base.
constexpr int kRoundings = 12;

template <class T>
class Sce : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Sce, Types);

TYPED_TEST(Sce, WrittenOut) {
  using T = TypeParam;
  // d = (1, 2, 0, -1), (3, -1, 0, -2): mean squares 6/4 and 14/4, weights 0.3 and 0.7. Signs: both;
  // the first; none; both.
  const auto y = merge_one<T>("sce", {{1, 1, 1, 1}, {{2, 3, 1, 0}, {4, 0, 1, -1}}, with(2)});
  EXPECT_NEAR(y[0], 1 + 0.3 * 1 + 0.7 * 3, 1e-6);
  EXPECT_EQ(y[1], 3);
  EXPECT_EQ(y[2], 1);
  EXPECT_NEAR(y[3], 1 - 0.3 * 1 - 0.7 * 2, 1e-6);
  // Variances 1, 9/4, 0, 1/4: of the three that are not 0, int(0.7 * 3) = 2 are kept. What is left:
  // (1, 2), (3, -1), squares 5 and 10, weights 1/3 and 2/3.
  const auto z = merge_one<T>("sce", {{1, 1, 1, 1}, {{2, 3, 1, 0}, {4, 0, 1, -1}}, with(2, 0.7)});
  EXPECT_NEAR(z[0], 1 + 1.0 / 3 + 2, 1e-6);
  EXPECT_EQ(z[1], 3);
  EXPECT_EQ(z[2], 1);
  EXPECT_EQ(z[3], 1);
  EXPECT_EQ(merge_one<T>("sce", {{}, {{}, {}}, with(2, 0.5)}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("sce", {{}, {{}, {}}, with(2)}), std::vector<T>{});
}

TYPED_TEST(Sce, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    for (const std::size_t models : {2u, 3u, 5u}) {
      for (const double topk : {1.0, 0.9, 0.3, 0.01}) {
        SCOPED_TRACE(testing::Message() << n << ' ' << models << ' ' << topk);
        const auto one = made<T>(n, models, with(models, topk));
        expect_rounded(merge_one("sce", one), reference(one, topk), kRoundings);
      }
    }
  }
}

TYPED_TEST(Sce, SmallChangesWeighTheSame) {
  using T = TypeParam;
  // Mean squares of 1e-8 and 4e-8: below 1e-6.
  const auto small = made<T>(3000, 2, with(2, 0.4), 1e-4);
  Made<T> one = small;
  for (auto& model : one.models) {
    for (std::size_t j = 0; j < 3000; j += 7) model[j] = one.base[j];
  }
  expect_rounded(merge_one("sce", one), reference(one, 0.4), kRoundings);
  one.settings = with(2, 0.4, 0);
  expect_rounded(merge_one("sce", one), reference(one, 0.4, 0), kRoundings);
  EXPECT_FALSE(same_bits(merge_one("sce", one), merge_one("sce", small)));
}

TYPED_TEST(Sce, TiesGoToTheLowestIndex) {
  using T = TypeParam;
  // Variances all the same: half of 5000 that differ.
  const std::size_t n = 5000;
  Made<T> one{std::vector<T>(n, 0), {std::vector<T>(n, 1), std::vector<T>(n, 3)}, with(2, 0.5)};
  const auto y = merge_one("sce", one);
  for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(y[j] != 0, j < n / 2) << j;
}

TYPED_TEST(Sce, WhereNothingDiffersNothingIsSelected) {
  using T = TypeParam;
  const auto base = normal<T>(3000, 1), moved = tuned(base, 2);
  EXPECT_EQ(merge_one<T>("sce", {base, {moved, moved, moved}, with(3, 0.9)}), base);
  EXPECT_EQ(merge_one<T>("sce", {base, {base, base}, with(2)}), base);
  EXPECT_EQ(merge_one<T>("sce", {base, {base, base}, with(2, 0.5, 0)}), base);
}

TEST(SceFacts, AreWeightsAndTheShareSelected) {
  const Made<double> one{{1, 1, 1, 1}, {{2, 3, 1, 0}, {4, 0, 1, -1}}, with(2, 0.7)};
  GroupRun<double> run(require_method("sce"), {&one}, {});
  run.run();
  const auto facts = run.merger().facts(0);
  EXPECT_EQ(facts.at(0).name, "weights");
  EXPECT_NEAR(facts[0].values.at(0), 1.0 / 3, 1e-12);
  EXPECT_NEAR(facts[0].values.at(1), 2.0 / 3, 1e-12);
  EXPECT_EQ(facts.at(1).name, "selected");
  EXPECT_EQ(facts[1].values.at(0), 0.5);
}

TEST(ScePasses, SelectionTakesOneMoreFullPass) {
  const auto one = made<float>(100000, 3, with(3, 0.2));
  GroupRun<float> run(require_method("sce"), {&one}, {});
  run.run();
  EXPECT_EQ(run.passes(), 3u);  // sample, selection, weights
}

TEST(SceOutline, CopiesWhereTheFormulaDoes) {
  const Descriptor& method = require_method("sce");
  EXPECT_EQ(outline_of(method, with(1)).copy, 0u);
  // One model has no variance: nothing is selected.
  EXPECT_EQ(outline_of(method, with(1, 0.5)).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, with(3, 0)).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, with(3, 0.1), {3, 3}).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, with(3, 0.1), {3, 4}).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, with(3)).sweeps, 2u);
  EXPECT_EQ(outline_of(method, with(3, 0.1)).sweeps, 3u);
}

}  // namespace
}  // namespace merganser::test
