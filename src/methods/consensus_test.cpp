#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings given(const std::vector<double>& w, double min_tasks, double mask_lambda = 0.5,
               double lambda = 1) {
  return settings_of("consensus",
                     {{"min_tasks", min_tasks}, {"mask_lambda", mask_lambda}, {"lambda", lambda}},
                     weights(w));
}

TEST(Consensus, WrittenOut) {
  // Deltas (2, 2): both need it. (4, -1): |4| > 0.5 |-1|, |-1| < 0.5 |4|: one. (0, 0): none.
  const std::vector<float> base = {1, 1, 1};
  const std::vector<std::vector<float>> models = {{3, 5, 1}, {3, 0, 1}};
  const auto at = [&](double min_tasks) {
    return merge_one<float>("consensus", Made<float>(base, models, given({1, 1}, min_tasks)));
  };
  EXPECT_EQ(at(0), (std::vector<float>{5, 4, 1}));
  EXPECT_EQ(at(1), (std::vector<float>{5, 4, 1}));
  EXPECT_EQ(at(2), (std::vector<float>{5, 1, 1}));
}

TEST(Consensus, AgainstItsDefinition) {
  const auto base = normal<double>(7000, 1);
  const std::vector<std::vector<double>> models = {tuned(base, 2), tuned(base, 3), tuned(base, 4)};
  const std::vector<double> w = {0.7, -0.2, 1.1};
  const auto out =
      merge_one<double>("consensus", Made<double>(base, models, given(w, 2, 0.4, 0.9)));
  for (std::size_t e = 0; e < base.size(); ++e) {
    Exact total = 0;
    for (int i = 0; i < 3; ++i) total += w[i] * static_cast<Exact>(models[i][e] - base[e]);
    int wanted = 0;
    for (int i = 0; i < 3; ++i) {
      const Exact own = models[i][e] - base[e];
      wanted += std::abs(own) > 0.4 * std::abs(total - own);
    }
    const Exact exact = base[e] + (wanted >= 2 ? 0.9 * total : 0);
    EXPECT_NEAR(out[e], exact, 1e-14 * (1 + std::abs(base[e])) * 8) << e;  // f64 roundings
  }
}

TEST(Consensus, NothingToMerge) {
  const auto base = normal<float>(40, 5);
  EXPECT_EQ(merge_one<float>("consensus", Made<float>(base, {base}, given({1}, 0))), base);
  EXPECT_TRUE(merge_one<float>("consensus", Made<float>({}, {{}}, given({1}, 0))).empty());
}

}  // namespace
}  // namespace merganser::test
