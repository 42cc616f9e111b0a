#include "adapter/adapter.h"

#include <gmock/gmock.h>

#include "adapter/testing.h"

namespace merganser {
namespace {

using test::TemporaryFolder;
using test::TestTensor;
using test::write_adapter;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = AdapterModule::Kind;

const std::string kRank2 = R"(, "r": 2, "lora_alpha": 3)";

TestTensor f32(const std::string& name, const Shape& shape) { return {name, DType::f32, shape}; }

std::string stored_name(const Adapter& adapter, std::size_t index) {
  return adapter.weights().tensors()[index].info.name;
}

TEST(Adapter, ModulesOfEveryKind) {
  const TemporaryFolder folder;
  const Adapter adapter = Adapter::open(write_adapter(
      folder.path(), kRank2 + R"(, "use_rslora": true, "rank_pattern": {"conv": 4})",
      {f32("m.q.lora_A.weight", {2, 5}), f32("m.q.lora_B.weight", {7, 2}),
       f32("m.embed.lora_embedding_A", {2, 11}), f32("m.embed.lora_embedding_B", {5, 2}),
       f32("conv.lora_A.weight", {4, 3, 8, 8}), f32("conv.lora_B.weight", {5, 4, 1, 1})}));
  ASSERT_EQ(adapter.modules().size(), 3u);
  const AdapterModule& conv = adapter.modules()[0];
  EXPECT_EQ(conv.name, "conv");
  EXPECT_EQ(conv.kind, Kind::convolution);
  EXPECT_EQ(conv.rank, 4u);
  EXPECT_EQ(conv.scale, 1.5);
  EXPECT_THAT(conv.shape, ElementsAre(5, 3, 8, 8));
  const AdapterModule& embed = adapter.modules()[1];
  EXPECT_EQ(embed.name, "m.embed");
  EXPECT_EQ(embed.kind, Kind::embedding);
  EXPECT_THAT(embed.shape, ElementsAre(11, 5));
  const AdapterModule& linear = adapter.modules()[2];
  EXPECT_EQ(linear.name, "m.q");
  EXPECT_EQ(linear.kind, Kind::linear);
  EXPECT_THAT(linear.shape, ElementsAre(7, 5));
  EXPECT_EQ(stored_name(adapter, linear.a), "base_model.model.m.q.lora_A.weight");
  EXPECT_EQ(stored_name(adapter, linear.b), "base_model.model.m.q.lora_B.weight");
  EXPECT_TRUE(adapter.replaced().empty());
}

TEST(Adapter, MagnitudesAndBiases) {
  const TemporaryFolder dora, biased;
  const Adapter with_magnitudes = Adapter::open(
      write_adapter(dora.path(), kRank2 + R"(, "use_dora": true)",
                    {f32("q.lora_A.weight", {2, 5}), f32("q.lora_B.weight", {7, 2}),
                     f32("q.lora_magnitude_vector", {7}), f32("e.lora_embedding_A", {2, 11}),
                     f32("e.lora_embedding_B", {5, 2}), f32("e.lora_magnitude_vector", {5}),
                     f32("c.lora_A.weight", {2, 3, 8}), f32("c.lora_B.weight", {5, 2, 1}),
                     f32("c.lora_magnitude_vector", {1, 5, 1})}));
  for (const AdapterModule& module : with_magnitudes.modules()) EXPECT_TRUE(module.magnitude);
  const Adapter with_biases = Adapter::open(write_adapter(
      biased.path(), kRank2 + R"(, "lora_bias": true)",
      {f32("q.lora_A.weight", {2, 5}), f32("q.lora_B.weight", {7, 2}), f32("q.lora_B.bias", {7})}));
  ASSERT_TRUE(with_biases.modules()[0].bias);
}

// What PEFT writes for bias: all with a new head: the head three times.
TEST(Adapter, WholeTensorsCountOnce) {
  const TemporaryFolder folder;
  const Adapter adapter = Adapter::open(
      write_adapter(folder.path(), kRank2 + R"(, "bias": "all", "modules_to_save": ["score"])",
                    {f32("q.base_layer.bias", {7}), f32("score.bias", {3}),
                     f32("score.modules_to_save.bias", {3}), f32("score.original_module.bias", {3}),
                     f32("pooler.modules_to_save.default.w", {3})}));
  std::vector<std::string> names;
  for (const AdapterTensor& tensor : adapter.replaced()) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("pooler.w", "q.bias", "score.bias"));
  EXPECT_EQ(stored_name(adapter, adapter.replaced()[2].tensor), "base_model.model.score.bias");
  EXPECT_EQ(adapter.unread().size(), 2u);
}

std::string complaint(const std::string& more, const std::vector<TestTensor>& tensors) {
  const TemporaryFolder folder;
  write_adapter(folder.path(), more, tensors);
  return test::complaint([&] { Adapter::open(folder.path()); });
}

TEST(Adapter, ContradictionsAreErrors) {
  const TestTensor a = f32("q.lora_A.weight", {2, 5}), b = f32("q.lora_B.weight", {7, 2});
  EXPECT_EQ(complaint(kRank2, {a, b}), "no error");
  EXPECT_THAT(complaint("", {a, b}), AllOf(HasSubstr("q.lora_A.weight"), HasSubstr("rank is 2"),
                                           HasSubstr("the config says 8")));
  EXPECT_THAT(complaint(kRank2, {a}), AllOf(HasSubstr("'q'"), HasSubstr("without the other")));
  EXPECT_THAT(complaint(kRank2, {a, f32("q.lora_B.weight", {7, 3})}), HasSubstr("[7, 3]"));
  EXPECT_THAT(complaint(kRank2, {a, f32("q.lora_B.weight", {7, 2, 1})}), HasSubstr("[7, 2, 1]"));
  EXPECT_THAT(complaint(kRank2, {f32("q.lora_A.weight", {10}), b}), HasSubstr("shape [10]"));
  EXPECT_THAT(complaint(kRank2, {f32("q.lora_A.weight", {0, 5}), b}), HasSubstr("in shards"));
  EXPECT_THAT(complaint(kRank2, {a, {"q.lora_B.weight", DType::i8, {7, 2}}}), HasSubstr("I8"));
  EXPECT_THAT(
      complaint(kRank2, {f32("q.lora_A.weight", {2, 4, 3}), f32("q.lora_B.weight", {8, 1, 1})}),
      HasSubstr("in groups"));
  EXPECT_THAT(complaint(kRank2, {a, b, f32("q.lora_embedding_A", {2, 5})}),
              HasSubstr("without the other"));
  EXPECT_THAT(complaint(kRank2, {a, b, f32("q.lora_A.default.weight", {2, 5})}),
              HasSubstr("second tensor"));
  EXPECT_THAT(
      complaint(kRank2, {f32("q.lora_A.one.weight", {2, 5}), f32("q.lora_B.two.weight", {7, 2})}),
      HasSubstr("several adapters"));
  EXPECT_THAT(complaint(kRank2, {a, b, f32("q.lora_magnitude_vector", {7})}),
              HasSubstr("use_dora"));
  EXPECT_THAT(complaint(kRank2 + R"(, "use_dora": true)", {a, b}), HasSubstr("use_dora"));
  EXPECT_THAT(
      complaint(kRank2 + R"(, "use_dora": true)", {a, b, f32("q.lora_magnitude_vector", {5})}),
      HasSubstr("[7] is expected"));
  EXPECT_THAT(complaint(kRank2, {a, b, f32("q.lora_B.bias", {7})}), HasSubstr("lora_bias"));
  EXPECT_THAT(complaint(kRank2, {f32("x.original_module.w", {1})}), HasSubstr("original"));
  EXPECT_THAT(complaint(kRank2, {f32("x.lora_diag", {2})}), HasSubstr("lora_diag"));
  EXPECT_THAT(complaint(kRank2, {}), HasSubstr("no tensors"));
}

TEST(Adapter, TooManyPatternsForTooManyModules) {
  std::string patterns;
  for (int i = 0; i < 100; ++i) {
    patterns +=
        (i > 0 ? ", \"" : "\"") + std::string(150, 'a') + "[" + std::to_string(i) + "]\": 2";
  }
  std::vector<TestTensor> tensors;
  for (int i = 0; i < 200; ++i) {
    const std::string module = "m" + std::to_string(i);
    tensors.push_back(f32(module + ".lora_A.weight", {2, 1}));
    tensors.push_back(f32(module + ".lora_B.weight", {1, 2}));
  }
  EXPECT_THAT(complaint(kRank2 + ", \"rank_pattern\": {" + patterns + "}", tensors),
              HasSubstr("too many"));
}

TEST(Adapter, FindsItsFiles) {
  const TemporaryFolder folder;
  const auto complain = [&](const std::string& name) {
    return test::complaint([&] { Adapter::open(folder / name); });
  };
  EXPECT_THAT(complain("nothing"), HasSubstr("not_found"));
  write_adapter(folder / "whole", kRank2,
                {f32("q.lora_A.weight", {2, 5}), f32("q.lora_B.weight", {7, 2})});
  EXPECT_EQ(complain("whole"), "no error");
  EXPECT_EQ(complain("whole/adapter_model.safetensors"), "no error");
  std::filesystem::remove(folder / "whole/adapter_model.safetensors");
  EXPECT_THAT(complain("whole"), AllOf(HasSubstr("not_found"), HasSubstr("adapter_model")));
  test::write_safetensors(folder / "kohya.safetensors", {f32("lora_unet_x.lora_down.weight", {1})});
  EXPECT_THAT(complain("kohya.safetensors"), HasSubstr("Kohya"));
  test::write_safetensors(folder / "sd/pytorch_lora_weights.safetensors",
                          {f32("unet.x.lora_A.weight", {1})});
  EXPECT_THAT(complain("sd"), HasSubstr("diffusers"));
  test::write_safetensors(folder / "bare/adapter_model.safetensors",
                          {f32("base_model.model.q.lora_A.weight", {2, 5})});
  EXPECT_THAT(complain("bare"), HasSubstr("no adapter_config.json"));
  EXPECT_THAT(complain("bare/adapter_model.safetensors"), HasSubstr("adapter_config.json"));
}

}  // namespace
}  // namespace merganser
