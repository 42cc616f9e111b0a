#include <gtest/gtest.h>

#include "base/testing.h"
#include "methods/parts/task_vectors_testing.h"

namespace merganser::test {
namespace {

struct Options {
  double lambda = 1;
  bool normalize = true, by_count = false, majority = false, whole_model = false;
  bool rescale = false, inverse = false;
};

Settings given(const std::vector<double>& w, const std::vector<double>& density,
               const Options& options = {}) {
  return settings_of("ties",
                     {{"lambda", options.lambda},
                      {"normalize", options.normalize},
                      {"vote", options.by_count ? "count" : "mass"},
                      {"zero_sign", options.majority ? "majority" : "positive"},
                      {"trim_scope", options.whole_model ? "model" : "tensor"},
                      {"rescale", options.rescale},
                      {"rescale_mode", options.inverse ? "inverse" : "l1"}},
                     weights(w, density));
}

template <class T>
std::vector<Term> reference(const Made<T>& made, const std::vector<std::vector<bool>>& kept,
                            const std::vector<double>& w, const std::vector<double>& density,
                            const Options& options, bool positive_on_zero = true) {
  Sparse<T> sparse = sparsified(made, kept);
  if (options.inverse) {
    for (std::size_t m = 0; m < w.size(); ++m) sparse.scales[m] = 1 / Exact{density[m]};
  }
  if (!options.rescale) sparse.scales.assign(w.size(), 1);
  return fused(made.base, sparse, w,
               {.lambda = options.lambda,
                .normalize = options.normalize,
                .elect = true,
                .by_count = options.by_count,
                .positive_on_zero = positive_on_zero});
}

template <class T>
std::vector<std::vector<bool>> trimmed(const Made<T>& made, const std::vector<double>& density) {
  std::vector<std::vector<bool>> kept;
  for (std::size_t m = 0; m < made.models.size(); ++m) {
    kept.push_back(largest_share(delta(made.models[m], made.base), density[m]));
  }
  return kept;
}

template <class T>
class Ties : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Ties, Types);

TYPED_TEST(Ties, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> base = {0, 0, 0, 0};
  const std::vector<std::vector<T>> models = {{4, -2, 1, 0}, {2, 3, -1, 0}};
  // Everything kept. Votes: 6, 1, 0 -> +, 0 -> +. Means of those that agree.
  EXPECT_EQ(merge_one<T>("ties", {base, models, given({1, 1}, {1, 1})}),
            (std::vector<T>{3, 3, 1, 0}));
  EXPECT_EQ(merge_one<T>("ties", {base, models, given({1, 1}, {1, 1}, {.normalize = false})}),
            (std::vector<T>{6, 3, 1, 0}));
  // Half kept: {4, -2, 0, 0} and {2, 3, 0, 0}.
  EXPECT_EQ(merge_one<T>("ties", {base, models, given({1, 1}, {0.5, 0.5})}),
            (std::vector<T>{3, 3, 0, 0}));
  // int(0.1 * 4) = 0, but at least one is kept.
  EXPECT_EQ(merge_one<T>("ties", {base, models, given({1, 1}, {0.1, 0.1})}),
            (std::vector<T>{4, 3, 0, 0}));
  // int(0.3 * 4) = 1.
  EXPECT_EQ(merge_one<T>("ties", {base, models, given({1, 1}, {0.3, 0.3})}),
            (std::vector<T>{4, 3, 0, 0}));
  EXPECT_EQ(merge_one<T>("ties", {base, models, given({1, 1}, {0, 0})}),
            (std::vector<T>{0, 0, 0, 0}));
  EXPECT_EQ(merge_one<T>("ties", {base, models, given({1, 1}, {0, 1})}),
            (std::vector<T>{2, 3, -1, 0}));
}

TYPED_TEST(Ties, NegativeWeightsFlipVotesAndDivisor) {
  using T = TypeParam;
  // w d = -4 and 2: negative wins; -4 / -1 = 4. (MergeKit: the divisor is the sum of weights.)
  EXPECT_EQ(merge_one<T>("ties", {{0}, {{4}, {2}}, given({-1, 1}, {1, 1})}), std::vector<T>{4});
  EXPECT_EQ(merge_one<T>("ties", {{0}, {{4}, {2}}, given({-1, 1}, {1, 1}, {.normalize = false})}),
            std::vector<T>{-4});
  // Weights of agreeing entries sum to zero: 1 - 1 -> divided by 1.
  EXPECT_EQ(merge_one<T>("ties", {{0}, {{4}, {-2}}, given({1, -1}, {1, 1})}), std::vector<T>{6});
}

TYPED_TEST(Ties, EmptyAndZeroTensors) {
  using T = TypeParam;
  EXPECT_EQ(merge_one<T>("ties", {{}, {{}, {}}, given({1, 1}, {0.5, 0.5})}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("ties", {{1, 2}, {{1, 2}}, given({1}, {0.5})}), (std::vector<T>{1, 2}));
  EXPECT_EQ(merge_one<T>("ties", {{1, 2}, {{1, 6}}, given({1}, {0.5})}), (std::vector<T>{1, 6}));
}

TYPED_TEST(Ties, EqualsReference) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.2, 1.1};
  const std::vector<Options> variants = {{},
                                         {.lambda = 0.4},
                                         {.normalize = false},
                                         {.by_count = true},
                                         {.rescale = true},
                                         {.rescale = true, .inverse = true}};
  for (const std::size_t n : odd_sizes()) {
    for (const std::vector<double>& density :
         {std::vector<double>{0.2, 0.5, 0.8}, {1, 1, 1}, {0.01, 1, 0.99}}) {
      for (const Options& options : variants) {
        const auto made = make_tensor<T>(n, 3, given(w, density, options));
        SCOPED_TRACE(n);
        expect_rounded(merge_one<T>("ties", made),
                       reference(made, trimmed(made, density), w, density, options),
                       kFusedRoundings<T>);
      }
    }
  }
}

TYPED_TEST(Ties, TakesShapesOfAnyRank) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{3, 5, 7}, Shape{1, 105}, Shape{105, 1}}) {
    auto made = make_tensor<T>(105, 3, given({1, 1, 1}, {0.3, 0.3, 0.3}));
    made.shape = shape;
    expect_rounded(merge_one<T>("ties", made),
                   reference(made, trimmed(made, {0.3, 0.3, 0.3}), {1, 1, 1}, {}, {}),
                   kFusedRoundings<T>);
  }
}

// One model and a base of zeros: the output is the mask applied.
TYPED_TEST(Ties, ExactTiesGoToTheLowestIndex) {
  using T = TypeParam;
  for (const std::size_t n : {7u, 2047u, 2049u, 9001u, 40000u}) {
    for (const double density : {0.01, 0.2, 0.5, 0.77}) {
      Made<T> made;
      made.base.assign(n, 0);
      made.models.push_back(normal<T>(n, 5, 2));
      for (T& x : made.models[0]) x = std::round(x);  // about 15 different values
      made.settings = given({1}, {density});
      const auto kept = largest_share(made.models[0], density);
      std::vector<T> wanted(n);
      for (std::size_t i = 0; i < n; ++i) wanted[i] = kept[i] ? made.models[0][i] : 0;
      EXPECT_EQ(merge_one<T>("ties", made), wanted) << n << ' ' << density;
    }
  }
}

TYPED_TEST(Ties, CoarseDeltasEqualReference) {
  using T = TypeParam;
  const std::vector<double> w = {1, 1, 1}, density = {0.2, 0.4, 0.6};
  for (const std::size_t n : {2049u, 13001u}) {
    const auto made = make_coarse_tensor<T>(n, 3, given(w, density));
    expect_rounded(merge_one<T>("ties", made),
                   reference(made, trimmed(made, density), w, density, {}), kFusedRoundings<T>);
  }
}

TYPED_TEST(Ties, VotesByCount) {
  using T = TypeParam;
  // Mass: 5 - 1 - 1 > 0. Count: 1 - 2 < 0.
  const std::vector<std::vector<T>> models = {{5}, {-1}, {-1}};
  EXPECT_EQ(merge_one<T>("ties", {{0}, models, given({1, 1, 1}, {1, 1, 1})}), std::vector<T>{5});
  EXPECT_EQ(merge_one<T>("ties", {{0}, models, given({1, 1, 1}, {1, 1, 1}, {.by_count = true})}),
            std::vector<T>{-1});
}

TYPED_TEST(Ties, TiedVotesTakeTheMajoritysSign) {
  using T = TypeParam;
  // Votes: tied, -, -, +: the majority is negative.
  const std::vector<std::vector<T>> models = {{2, -1, -1, 1}, {-2, -3, -1, 1}};
  EXPECT_EQ(merge_one<T>("ties", {{0, 0, 0, 0}, models, given({1, 1}, {1, 1})}),
            (std::vector<T>{2, -2, -1, 1}));
  EXPECT_EQ(merge_one<T>("ties", {{0, 0, 0, 0}, models, given({1, 1}, {1, 1}, {.majority = true})}),
            (std::vector<T>{-2, -2, -1, 1}));
  // No majority either: +.
  EXPECT_EQ(merge_one<T>("ties", {{0}, {{2}, {-2}}, given({1, 1}, {1, 1}, {.majority = true})}),
            std::vector<T>{2});
}

TYPED_TEST(Ties, MajorityOfTrimmedDeltasOverManyChunks) {
  using T = TypeParam;
  const std::vector<double> w = {1, 1, 1}, density = {0.5, 0.5, 0.5};
  const Options options{.majority = true};
  auto made = make_coarse_tensor<T>(20001, 9, given(w, density, options));
  // Mostly negative.
  for (auto& model : made.models) {
    for (std::size_t i = 0; i < model.size(); i += 3) {
      model[i] = made.base[i] - std::abs(model[i] - made.base[i]);
    }
  }
  const auto terms = reference(made, trimmed(made, density), w, density, options, false);
  expect_rounded(merge_one<T>("ties", made), terms, kFusedRoundings<T>);
}

TYPED_TEST(Ties, TrimsOverTheWholeModel) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.2, 1.1}, density = {0.1, 0.35, 1};
  for (const Options& options : {Options{.whole_model = true},
                                 {.whole_model = true, .rescale = true},
                                 {.by_count = true, .whole_model = true}}) {
    for (const bool coarse : {false, true}) {
      std::vector<Made<T>> made;
      unsigned seed = 40;
      for (const std::size_t n : {300u, 0u, 13001u, 1u, 5000u, 2048u}) {
        const Settings settings = given(w, density, options);
        made.push_back(coarse ? make_coarse_tensor<T>(n, ++seed, settings)
                              : make_tensor<T>(n, ++seed, settings));
        // Different magnitudes in different tensors: where per-tensor trimming goes wrong.
        for (auto& model : made.back().models) {
          for (std::size_t i = 0; i < n; ++i) {
            const T change = (model[i] - made.back().base[i]) * static_cast<T>(seed % 3 + 1);
            model[i] = made.back().base[i] + change;
          }
        }
      }
      // One flat vector for each model, in the order of the tensors.
      std::vector<std::vector<std::vector<bool>>> kept(made.size());
      for (std::size_t m = 0; m < w.size(); ++m) {
        std::vector<T> flat;
        for (const auto& one : made) {
          const auto d = delta(one.models[m], one.base);
          flat.insert(flat.end(), d.begin(), d.end());
        }
        const auto mask = largest_share(flat, density[m]);
        auto from = mask.begin();
        for (std::size_t i = 0; i < made.size(); ++i) {
          const auto to = from + static_cast<std::ptrdiff_t>(made[i].size());
          kept[i].emplace_back(from, to);
          from = to;
        }
      }
      const auto merged = merge<T>("ties", made);
      for (std::size_t i = 0; i < made.size(); ++i) {
        SCOPED_TRACE(i);
        expect_rounded(merged[i], reference(made[i], kept[i], w, density, options),
                       kFusedRoundings<T>);
      }
    }
  }
}

TYPED_TEST(Ties, WholeModelTiesEndInALaterTensor) {
  using T = TypeParam;
  // 10 + 10 + 10 equal entries, 15 kept: all of the first tensor, five of the second.
  std::vector<Made<T>> made;
  for (int i = 0; i < 3; ++i) {
    made.push_back({std::vector<T>(10, 0),
                    {std::vector<T>(10, i == 1 ? -1 : 1)},
                    given({1}, {0.5}, {.whole_model = true}),
                    "w" + std::to_string(i)});
  }
  const auto merged = merge<T>("ties", made);
  EXPECT_EQ(merged[0], std::vector<T>(10, 1));
  EXPECT_EQ(merged[1], (std::vector<T>{-1, -1, -1, -1, -1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(merged[2], std::vector<T>(10, 0));
}

TYPED_TEST(Ties, SurvivesNaNAndInfinity) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  for (const double density : {0.001, 0.3, 0.5, 1.0}) {
    auto made = make_tensor<T>(5000, 1, given({1, 1, 1}, {density, density, density}));
    for (std::size_t i = 0; i < 5000; i += 3) made.models[0][i] = nan;
    for (std::size_t i = 0; i < 5000; i += 7) made.models[1][i] = i % 2 != 0 ? inf : -inf;
    made.base[77] = nan;
    const auto out = merge_one<T>("ties", made);
    ASSERT_EQ(out.size(), 5000u);
    EXPECT_TRUE(std::isnan(out[77]));
  }
}

TEST(TiesOutline, CountsSweepsAndReads) {
  const Descriptor& ties = require_method("ties");
  EXPECT_EQ(outline_of(ties, given({1}, {0.2})).sweeps, 2u);
  EXPECT_EQ(outline_of(ties, given({1}, {1})).sweeps, 1u);
  EXPECT_EQ(outline_of(ties, given({1}, {0.2}, {.majority = true, .rescale = true})).sweeps, 4u);
  EXPECT_EQ(outline_of(ties, given({0, 1}, {0.2, 1})).reads, (std::vector<bool>{false, true}));
  EXPECT_EQ(outline_of(ties, given({0, 0}, {0.2, 1})).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(ties, given({1}, {0.2}, {.lambda = 0})).copy, Outline::kCopyBase);
  EXPECT_TRUE(outline_of(ties, given({1}, {0.2}, {.whole_model = true})).whole_model);
  EXPECT_FALSE(outline_of(ties, given({1}, {0.2})).whole_model);
}

TEST(TiesWholeModel, NeedsTheSameDensitiesAndModels) {
  const auto refused = [](Settings first, Settings second) {
    const std::vector<Made<float>> made = {{{0, 0}, {{1, 2}, {3, 4}}, std::move(first), "a"},
                                           {{0, 0}, {{1, 2}, {3, 4}}, std::move(second), "b"}};
    const auto error = error_of([&] { merge<float>("ties", made); });
    return error ? error->tensor() : "";
  };
  const Options whole{.whole_model = true};
  EXPECT_EQ(refused(given({1, 1}, {0.5, 0.5}, whole), given({2, 1}, {0.5, 0.5}, whole)), "");
  EXPECT_EQ(refused(given({1, 1}, {0.5, 0.5}, whole), given({1, 1}, {0.5, 0.4}, whole)), "b");
  EXPECT_EQ(refused(given({1, 1}, {0.5, 0.5}, whole), given({1, 0}, {0.5, 0.5}, whole)), "b");
}

}  // namespace
}  // namespace merganser::test
