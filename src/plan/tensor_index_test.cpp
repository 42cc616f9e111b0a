#include "plan/tensor_index.h"

#include "plan/testing.h"

namespace merganser::test {
namespace {

TEST(TensorIndex, FindsTensorsByTheirPlace) {
  Bench bench;
  bench.llama_model("model_a", 2);
  const Plan plan = bench.plan("merge_method: passthrough\nmodels: [{model: model_a}]\n");
  const PlanModel& model = plan.models[0];
  const TensorIndex index(model, model.architecture);
  EXPECT_EQ(index.layer(0, 1).size(), 3u);
  EXPECT_TRUE(index.layer(0, 2).empty());
  EXPECT_TRUE(index.layer(1, 0).empty());
  EXPECT_EQ(index.loose(0).size(), 3u);
  EXPECT_TRUE(index.loose(5).empty());
  const auto& entry = index.layer(0, 1).at("model.layers.{}.mlp.up_proj.weight");
  EXPECT_EQ(model.headers()[entry.tensor].name, "model.layers.1.mlp.up_proj.weight");
  ASSERT_TRUE(index.find("lm_head.weight"));
  EXPECT_EQ(model.headers()[*index.find("lm_head.weight")].name, "lm_head.weight");
  EXPECT_FALSE(index.find("head"));
}

}  // namespace
}  // namespace merganser::test
