#include "execute/budget.h"

#include "method/merger.h"
#include "plan/testing.h"

namespace merganser::test {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

Plan three_models(const Bench& bench) {
  return bench.plan(
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}, {model: model_c}]\n"
      "parameters: {weight: 1}\n");
}

class PlanBudget : public ::testing::Test {
 protected:
  PlanBudget() {
    for (const char* name : {"model_a", "model_b", "model_c"}) bench.model(name, {f32("w", {64})});
  }
  Bench bench;
};

TEST_F(PlanBudget, FitsIntoTheMemory) {
  const Plan plan = three_models(bench);
  std::size_t before = 0;
  for (std::uint64_t mib = 16; mib <= 4096; mib *= 2) {
    const Budget budget = plan_budget(plan, mib * kMiB, 4);
    EXPECT_EQ(budget.threads, 4u);
    EXPECT_GE(budget.chunk_elements, kBlock);
    EXPECT_EQ(budget.chunk_elements % kBlock, 0u);
    EXPECT_LE(budget.peak_bytes, mib * kMiB);
    EXPECT_GE(budget.chunk_elements, before) << "more memory, smaller chunks";
    before = budget.chunk_elements;
  }
  EXPECT_GT(before, kBlock);
}

TEST_F(PlanBudget, MoreThreadsShareTheMemory) {
  const Plan plan = three_models(bench);
  const Budget few = plan_budget(plan, 24 * kMiB, 1), many = plan_budget(plan, 24 * kMiB, 16);
  EXPECT_LT(many.chunk_elements, few.chunk_elements);
  EXPECT_EQ(plan_budget(plan, 24 * kMiB, 0).threads, 1u);
}

TEST_F(PlanBudget, RefusesTooLittleNamingWhatIsNeeded) {
  const Plan plan = three_models(bench);
  // The limit by bisection: below it an error, from it on the smallest chunks.
  std::uint64_t low = 1, high = 64 * kMiB;
  while (high - low > 1) {
    const std::uint64_t middle = (low + high) / 2;
    const bool enough = !error_of([&] { plan_budget(plan, middle, 2); });
    (enough ? high : low) = middle;
  }
  EXPECT_EQ(plan_budget(plan, high, 2).chunk_elements, kBlock);
  const auto error = error_of([&] { plan_budget(plan, low, 2); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::usage);
  EXPECT_THAT(error->message(), HasSubstr("--memory"));
  EXPECT_THAT(error->advice(), HasSubstr("it needs"));
}

TEST_F(PlanBudget, WithoutALimitItIsTheUsualMemory) {
  const Budget budget = plan_budget(three_models(bench), 0, 4);
  EXPECT_LE(budget.peak_bytes, 256 * kMiB);
  EXPECT_EQ(budget.chunk_elements, std::size_t{1} << 18);
}

// A method that sees whole tensors gets what the largest takes, and others still good chunks.
TEST_F(PlanBudget, WithoutALimitAWholeTensorFits) {
  Plan plan = three_models(bench);
  PlanJob large = plan.jobs[0];
  large.output.shape = {8192, 8192};
  large.unit = Unit::tensor;
  large.workspace = std::uint64_t{1} << 30;
  plan.jobs.push_back(large);
  const Budget budget = plan_budget(plan, 0, 4);
  EXPECT_GE(budget.peak_bytes, large.workspace + 5 * large.output.size() * 4);
  EXPECT_EQ(budget.chunk_elements, std::size_t{1} << 18);
  EXPECT_THROW(plan_budget(plan, 256 * kMiB, 4), Error);
}

}  // namespace
}  // namespace merganser::test
