#include "adapter/config.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/testing.h"

namespace merganser {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `more`: further keys, with a comma before them.
AdapterConfig parse(const std::string& more) {
  return parse_adapter_config(R"({"peft_type": "LORA")" + more + "}", "adapter_config.json");
}

std::string complaint(const std::string& more) {
  return test::complaint([&] { parse(more); });
}

TEST(AdapterConfig, DefaultsArePeftsOwn) {
  const AdapterConfig config = parse("");
  EXPECT_EQ(config.r, 8u);
  EXPECT_EQ(config.lora_alpha, 8);
  EXPECT_FALSE(config.use_rslora || config.use_dora || config.fan_in_fan_out || config.lora_bias);
  EXPECT_EQ(config.bias, AdapterConfig::Bias::none);
  EXPECT_EQ(config.init_lora_weights, "true");
  EXPECT_EQ(config.scale_of("x", 4), 2);
}

TEST(AdapterConfig, ReadsItsKeys) {
  const AdapterConfig config = parse(
      R"(, "r": 16, "lora_alpha": 32.5, "use_rslora": true, "bias": "lora_only",
          "target_modules": ".*proj", "modules_to_save": ["score"], "task_type": "SEQ_CLS",
          "base_model_name_or_path": "org/base", "init_lora_weights": "gaussian",
          "layers_to_transform": [0], "eva_config": {"rho": 2}, "runtime_config": {"x": true})");
  EXPECT_EQ(config.r, 16u);
  EXPECT_EQ(config.bias, AdapterConfig::Bias::lora_only);
  EXPECT_THAT(config.target_modules, ElementsAre(".*proj"));
  EXPECT_THAT(config.modules_to_save, ElementsAre("score"));
  EXPECT_EQ(config.task_type, "SEQ_CLS");
  EXPECT_EQ(config.base_model, "org/base");
  EXPECT_EQ(config.scale_of("x", 16), 32.5 / 4);
  EXPECT_EQ(config.json->at("r"), 16);
}

TEST(AdapterConfig, PatternsOverride) {
  const AdapterConfig config = parse(
      R"(, "r": 4, "lora_alpha": 8, "rank_pattern": {"layers.1.q": 6, "q": 2},
          "alpha_pattern": {"[qk]": 1.5})");
  EXPECT_EQ(config.rank_of("m.layers.1.q"), 6u);
  EXPECT_EQ(config.rank_of("m.layers.0.q"), 2u);
  EXPECT_EQ(config.rank_of("m.layers.0.v"), 4u);
  EXPECT_EQ(config.scale_of("m.layers.0.q", 2), 0.75);
  EXPECT_EQ(config.scale_of("m.layers.0.v", 4), 2);
}

TEST(AdapterConfig, WhatIsNotComputedIsRefusedByName) {
  EXPECT_THAT(test::complaint([] { parse_adapter_config(R"({"peft_type": "LOHA"})", "c"); }),
              AllOf(HasSubstr("unsupported"), HasSubstr("LOHA"), HasSubstr("merge_and_unload")));
  EXPECT_THAT(test::complaint([] { parse_adapter_config("{}", "c"); }), HasSubstr("peft_type"));
  for (const std::string set :
       {R"("layer_replication": [[0, 4]])", R"("alora_invocation_tokens": [1])",
        R"("use_qalora": true)", R"("megatron_config": {"a": 1})",
        R"("target_parameters": ["experts.w"])", R"("trainable_token_indices": {"e": [1]})",
        R"("use_bdlora": {"nblocks": 2})", R"("arrow_config": {"top_k": 2})",
        R"("velora_config": {"scale": 1})", R"("monteclora_config": {"a": 1})",
        R"("kasa_config": {"a": 1})", R"("ensure_weight_tying": true)",
        R"("use_next_year": 0.5)"}) {
    const std::string key = set.substr(1, set.find('"', 1) - 1);
    EXPECT_THAT(complaint(", " + set), AllOf(HasSubstr("unsupported"), HasSubstr(key)));
    EXPECT_EQ(complaint(", \"" + key + "\": null"), "no error") << key;
  }
  for (const std::string name : {"pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga"}) {
    EXPECT_THAT(complaint(R"(, "init_lora_weights": ")" + name + '"'),
                AllOf(HasSubstr("unsupported"), HasSubstr(name)));
  }
  for (const std::string fine : {"true", "false", R"("gaussian")", R"("eva")", R"("orthogonal")"}) {
    EXPECT_EQ(complaint(R"(, "init_lora_weights": )" + fine), "no error");
  }
}

TEST(AdapterConfig, WrongTypesAndRanges) {
  EXPECT_THAT(complaint(R"(, "r": 0)"), HasSubstr("'r' must be a rank"));
  EXPECT_THAT(complaint(R"(, "r": -1)"), HasSubstr("'r' must be a rank"));
  EXPECT_THAT(complaint(R"(, "r": 1e9)"), HasSubstr("'r' must be a rank"));
  EXPECT_THAT(complaint(R"(, "r": 99999999999)"), HasSubstr("'r' must be a rank"));
  EXPECT_THAT(complaint(R"(, "lora_alpha": "8")"), HasSubstr("finite number"));
  EXPECT_THAT(complaint(R"(, "use_dora": 1)"), HasSubstr("true or false"));
  EXPECT_THAT(complaint(R"(, "bias": "some")"), HasSubstr("lora_only"));
  EXPECT_THAT(complaint(R"(, "modules_to_save": [1])"), HasSubstr("list of texts"));
  EXPECT_THAT(complaint(R"(, "rank_pattern": [1])"), HasSubstr("mapping"));
  EXPECT_THAT(complaint(R"(, "rank_pattern": {"q": 0})"), HasSubstr("rank_pattern: q"));
  EXPECT_THAT(complaint(R"(, "alpha_pattern": {"(": 1})"), HasSubstr("alpha_pattern"));
  EXPECT_THAT(test::complaint([] { parse_adapter_config("[1]", "c"); }), HasSubstr("JSON object"));
  EXPECT_THAT(test::complaint([] { parse_adapter_config("{", "c"); }), HasSubstr("corrupt"));
}

}  // namespace
}  // namespace merganser
