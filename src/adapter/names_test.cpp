#include "adapter/names.h"

#include <gmock/gmock.h>

#include "base/testing.h"

namespace merganser {
namespace {

using ::testing::HasSubstr;
using Part = AdapterName::Part;

void expect(std::string_view stored, Part part, const std::string& module,
            const std::string& adapter = "", bool saved = false) {
  SCOPED_TRACE(stored);
  const AdapterName name = parse_adapter_name("base_model.model." + std::string(stored));
  EXPECT_EQ(name.part, part);
  EXPECT_EQ(name.module, module);
  EXPECT_EQ(name.adapter, adapter);
  EXPECT_EQ(name.saved, saved);
}

TEST(AdapterNames, Factors) {
  expect("model.q_proj.lora_A.weight", Part::a, "model.q_proj");
  expect("model.q_proj.lora_B.weight", Part::b, "model.q_proj");
  expect("model.q_proj.lora_B.bias", Part::b_bias, "model.q_proj");
  expect("model.q_proj.lora_A.default.weight", Part::a, "model.q_proj", "default");
  expect("embed.lora_embedding_A", Part::embedding_a, "embed");
  expect("embed.lora_embedding_B.default", Part::embedding_b, "embed", "default");
  expect("q.lora_magnitude_vector", Part::magnitude, "q");
  expect("q.lora_magnitude_vector.weight", Part::magnitude, "q");
  expect("q.lora_magnitude_vector.default.weight", Part::magnitude, "q", "default");
}

// As PEFT 0.21 and its predecessors write them: bias: all, modules_to_save, resized embeddings.
TEST(AdapterNames, WholeTensors) {
  expect("bert.encoder.key.bias", Part::whole, "bert.encoder.key.bias");
  expect("query.base_layer.bias", Part::whole, "query.bias");
  expect("embed_tokens.base_layer.weight", Part::whole, "embed_tokens.weight");
  expect("classifier.weight", Part::whole, "classifier.weight");
  expect("classifier.modules_to_save.bias", Part::whole, "classifier.bias", "", true);
  expect("classifier.modules_to_save.default.weight", Part::whole, "classifier.weight", "default",
         true);
  expect("pooler.modules_to_save.default.dense.bias", Part::whole, "pooler.dense.bias", "default",
         true);
  expect("classifier.original_module.bias", Part::original, "classifier.bias");
}

TEST(AdapterNames, OthersAreRefusedByName) {
  const auto complaint = [](std::string_view stored) {
    return test::complaint([&] { parse_adapter_name(stored); });
  };
  EXPECT_THAT(complaint("lora_unet_down_blocks_0.lora_down.weight"), HasSubstr("Kohya"));
  EXPECT_THAT(complaint("x.lora_down.weight"), HasSubstr("lora_down"));
  EXPECT_THAT(complaint("unet.mid.to_q.lora_A.weight"), HasSubstr("diffusers"));
  EXPECT_THAT(complaint("model.q_proj.lora_A.weight"), HasSubstr("base_model.model."));
  EXPECT_THAT(complaint("base_model.model.q.lora_diag"), HasSubstr("'lora_diag'"));
  EXPECT_THAT(complaint("base_model.model.q.lora_A.x.y.weight"), HasSubstr("'lora_A'"));
  EXPECT_THAT(complaint("base_model.model.lora_A.weight"), HasSubstr("'lora_A'"));
  EXPECT_THAT(complaint("base_model.model.experts.base_layer.lora_A.weight"),
              HasSubstr("around another one"));
  EXPECT_THAT(complaint("base_model.model.e.token_adapter.trainable_tokens_delta"),
              HasSubstr("rows of embeddings"));
  EXPECT_THAT(complaint("base_model.model.a..b"), HasSubstr("empty"));
  EXPECT_THAT(complaint("base_model.model."), HasSubstr("empty"));
}

}  // namespace
}  // namespace merganser
