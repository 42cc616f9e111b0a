#include "checkpoint/quantised.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/testing.h"

namespace merganser {
namespace {

using test::complaint;
using test::TemporaryFolder;
using test::write_file;
using test::write_safetensors;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string with_config(std::string_view text) {
  const TemporaryFolder folder;
  write_file(folder / "config.json", text);
  write_safetensors(folder / "model.safetensors", {{"w", DType::u8, {1}}});
  return complaint([&] { Checkpoint::open(folder.path()); });
}

std::string with_tensors(const std::vector<test::TestTensor>& tensors) {
  const TemporaryFolder folder;
  write_safetensors(folder / "model.safetensors", tensors);
  return complaint([&] { Checkpoint::open(folder.path()); });
}

TEST(Quantised, DeclaredInTheConfig) {
  const auto declared = [](std::string_view text) {
    return with_config(R"({"quantization_config": )" + std::string(text) + "}");
  };
  EXPECT_THAT(declared(R"({"quant_method": "gptq", "bits": 4})"),
              AllOf(StartsWith("unsupported: "), HasSubstr("the weights are quantised (gptq)"),
                    HasSubstr("use the checkpoint it was quantised from")));
  EXPECT_THAT(declared(R"({"load_in_4bit": true, "quant_method": "bitsandbytes"})"),
              HasSubstr("bitsandbytes, 4 bits"));
  EXPECT_THAT(declared(R"({"load_in_8bit": true})"), HasSubstr("bitsandbytes, 8 bits"));
  EXPECT_THAT(declared(R"({"bits": 4})"), HasSubstr("unnamed method"));
  EXPECT_THAT(declared(R"({"quant_method": 3})"), HasSubstr("quantised (unknown)"));
  EXPECT_THAT(declared("[]"), HasSubstr("quantised (unknown)"));
  EXPECT_THAT(with_config(R"({"text_config": {"quantization_config": {"quant_method": "fp8"}}})"),
              HasSubstr("fp8"));
  EXPECT_THAT(with_config(R"({"compression_config": {"quant_method": "compressed-tensors"}})"),
              HasSubstr("compressed-tensors"));
}

TEST(Quantised, DeclaredToBeNone) {
  EXPECT_EQ(with_config(R"({"quantization_config": null})"), "no error");
  EXPECT_EQ(with_config(R"({"quantization_config": {}})"), "no error");
  EXPECT_EQ(with_config(R"({"quantization_config": {"quant_method": null}})"), "no error");
  EXPECT_EQ(with_config(R"({"quantization_config": {"quant_method": "bitsandbytes",
                            "load_in_4bit": false, "load_in_8bit": false}})"),
            "no error");
}

TEST(Quantised, KnownByItsTensors) {
  for (const char* name : {"l.qweight", "l.qzeros", "l.g_idx"}) {
    EXPECT_THAT(with_tensors({{name, DType::i32, {1}}}),
                AllOf(StartsWith("unsupported: "), HasSubstr("GPTQ or AWQ"), HasSubstr(name)));
  }
  for (const char* name : {"l.weight.absmax", "l.weight.quant_map",
                           "l.weight.quant_state.bitsandbytes__nf4", "l.weight.quant_state"}) {
    EXPECT_THAT(with_tensors({{name, DType::u8, {1}}}), HasSubstr("bitsandbytes, 4 bits"));
  }
  EXPECT_THAT(with_tensors({{"l.SCB", DType::f32, {1}}}), HasSubstr("bitsandbytes, 8 bits"));
  EXPECT_THAT(with_tensors({{"l.weight_packed", DType::i32, {1}}}),
              HasSubstr("compressed-tensors"));
  for (const char* name : {"l.weight_scale", "l.weight_scale_inv"}) {
    EXPECT_THAT(with_tensors({{"l.weight", DType::f8_e4m3, {4}}, {name, DType::f32, {}}}),
                HasSubstr("scaled 8-bit weights"));
    EXPECT_THAT(with_tensors({{name, DType::f32, {}}}), HasSubstr("scaled 8-bit weights"));
    // A scale beside an ordinary weight is a parameter like others.
    EXPECT_EQ(with_tensors({{"l.weight", DType::bf16, {4}}, {name, DType::f32, {}}}), "no error");
  }
}

TEST(Quantised, EightBitFloatsAloneAreNumbers) {
  EXPECT_EQ(with_tensors({{"a.weight", DType::f8_e4m3, {4}}, {"b.weight", DType::f8_e5m2, {4}}}),
            "no error");
}

}  // namespace
}  // namespace merganser
