#include "plan/plan.h"

#include "plan/testing.h"

namespace merganser::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kCopy = "merge_method: passthrough\nmodels: [{model: model_a}]\n";

TEST(MakePlan, JobsAreSortedAndPlaced) {
  Bench bench;
  bench.llama_model("model_a", 12);
  const Plan plan = bench.plan(kCopy);
  const auto names = names_of(plan);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(names.size(), 3u + 12 * 3);
  EXPECT_EQ(job(plan, "model.layers.10.mlp.up_proj.weight").place.layer, 10u);
  EXPECT_EQ(job(plan, "model.embed_tokens.weight").place.place, Place::embed);
  EXPECT_EQ(job(plan, "lm_head.weight").place.place, Place::head);
  EXPECT_EQ(plan.outputs().size(), names.size());
  EXPECT_EQ(plan.shards.spots.size(), names.size());
  expect_complete(plan);
}

TEST(MakePlan, CountsBytes) {
  Bench bench;
  for (const char* name : {"model_a", "model_b"}) {
    bench.model(name, {f32("w", {100}), {"ids", DType::i64, {5}}});
  }
  const Plan plan = bench.plan(
      "merge_method: slerp\nbase_model: model_a\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {t: 0.5}\n");
  EXPECT_EQ(bytes_to_read(plan, 0, false),
            2 * 2 * 400 + 2 * 40u);  // two sweeps over both; the integers once
  EXPECT_EQ(plan.bytes_written, plan.shards.bytes());
  EXPECT_GT(plan.bytes_written, 440u);
}

TEST(MakePlan, OnlySomeTensors) {
  Bench bench;
  bench.llama_model("model_a", 2);
  const Plan plan = bench.plan(kCopy, {.only = "*.mlp.*"});
  EXPECT_THAT(names_of(plan), ElementsAre("model.layers.0.mlp.up_proj.weight",
                                          "model.layers.1.mlp.up_proj.weight"));
  EXPECT_THAT(bench.complaint_of(kCopy, {.only = "nothing*"}),
              HasSubstr("--only 'nothing*' matches no tensor"));
}

TEST(MakePlan, ShardsByTheLimitButAFileStaysAFile) {
  Bench bench;
  bench.llama_model("model_a", 2);
  EXPECT_GT(bench.plan(kCopy, {.max_shard = 200}).shards.files.size(), 1u);
  EXPECT_FALSE(bench.plan(kCopy).single_file);
  write_safetensors(bench.path() / "one.safetensors", llama(2));
  const Plan file = bench.plan("merge_method: passthrough\nmodels: [{model: one.safetensors}]\n",
                               {.max_shard = 200});
  EXPECT_TRUE(file.single_file);
  EXPECT_EQ(file.shards.files.size(), 1u);
  EXPECT_EQ(file.config, nullptr);
}

TEST(MakePlan, NoTensorAtAllIsAnError) {
  Bench bench;
  bench.model("model_a", {f32("x", {2})});
  bench.model("model_b", {f32("y", {2})});
  EXPECT_THAT(bench.complaint_of("merge_method: linear\nmodels: [{model: model_a}, "
                                 "{model: model_b}]\nparameters: {weight: 1}\nheads: drop\n"),
              HasSubstr("no tensor at all"));
}

TEST(Config, ChangesOnlyWhatIsNeededInItsOwnOrder) {
  Bench bench;
  bench.llama_model("model_a", 3);
  const Plan plan = bench.plan(R"(
merge_method: passthrough
slices:
- sources: [{model: model_a, layer_range: [0, 2]}]
- sources: [{model: model_a, layer_range: [0, 3]}]
dtype: bfloat16
)");
  Json wanted = llama_config(5);
  wanted["torch_dtype"] = "bfloat16";
  EXPECT_EQ(plan.config->dump(), wanted.dump());
  // An unsliced merge leaves the count alone.
  EXPECT_EQ(bench.plan(kCopy).config->dump(), llama_config(3).dump());
}

TEST(Config, NamesTheTypeOfMostBytes) {
  Bench bench;
  Json config = llama_config(1);
  config["torch_dtype"] = "float16";
  config["text_config"] = {{"dtype", "float16"}, {"other", 1}};
  config["dtype_of_something"] = "float16";
  bench.model("model_a", llama(1), config);
  const Plan plan = bench.plan(kCopy);
  EXPECT_EQ((*plan.config)["torch_dtype"], "float32");
  EXPECT_EQ((*plan.config)["text_config"]["dtype"], "float32");
  EXPECT_EQ((*plan.config)["dtype_of_something"], "float16");
}

TEST(Config, IsThatOfTheBase) {
  Bench bench;
  bench.llama_model("model_a", 1);
  Json config = llama_config(1);
  config["mark"] = "b";
  bench.model("model_b", llama(1), config);
  const std::string two =
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {weight: 1}\n";
  EXPECT_FALSE(bench.plan(two).config->contains("mark"));
  EXPECT_EQ((*bench.plan(two + "base_model: model_b\n").config)["mark"], "b");
}

TEST(MakePlan, ValidatesFirst) {
  Bench bench;  // no model is there to open
  EXPECT_THAT(bench.complaint_of("merge_method: linear\nmodels: [{model: model_x}]\n"
                                 "parameters: {weight: 1, wight: 2}\n"),
              HasSubstr("did you mean 'weight'?"));
}

}  // namespace
}  // namespace merganser::test
