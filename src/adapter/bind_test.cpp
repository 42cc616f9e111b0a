#include "adapter/bind.h"

#include <gmock/gmock.h>

#include "adapter/testing.h"

namespace merganser {
namespace {

using test::TemporaryFolder;
using test::TestTensor;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kRank2 = R"(, "r": 2)";

std::vector<TestTensor> linear(const std::string& module, std::uint64_t out, std::uint64_t in) {
  return {{module + ".lora_A.weight", DType::f32, {2, in}},
          {module + ".lora_B.weight", DType::f32, {out, 2}}};
}

std::vector<TestTensor> joined(const std::vector<std::vector<TestTensor>>& parts) {
  std::vector<TestTensor> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

AdapterBinding bound(const std::vector<TensorInfo>& base, const std::vector<TestTensor>& tensors,
                     const std::string& more = kRank2) {
  const TemporaryFolder folder;
  const Adapter adapter = Adapter::open(test::write_adapter(folder.path(), more, tensors));
  const TensorAliases aliases = [](const std::string& name) {
    return name == "norm.gamma" ? std::vector<std::string>{"norm.weight"}
                                : std::vector<std::string>{};
  };
  return bind_adapter(adapter, base, "base", aliases);
}

std::string complaint(const std::vector<TensorInfo>& base, const std::vector<TestTensor>& tensors,
                      const std::string& more = kRank2) {
  return test::complaint([&] { bound(base, tensors, more); });
}

const AdapterChange& change(const AdapterBinding& binding, const std::string& name) {
  for (std::size_t i = 0; i < binding.headers.size(); ++i) {
    if (binding.headers[i].name == name) return binding.changes[i];
  }
  throw std::runtime_error("no " + name);
}

const std::vector<TensorInfo> kBase = {{"k.weight", DType::bf16, {3, 4}},
                                       {"norm.weight", DType::bf16, {4}},
                                       {"q.bias", DType::bf16, {5}},
                                       {"q.weight", DType::bf16, {5, 4}}};

TEST(BindAdapter, EqualNames) {
  const AdapterBinding binding =
      bound(kBase, joined({linear("q", 5, 4), {{"q.lora_B.bias", DType::f32, {5}}}}),
            R"(, "r": 2, "lora_bias": true)");
  EXPECT_TRUE(change(binding, "q.weight").module);
  EXPECT_TRUE(change(binding, "q.bias").bias);
  EXPECT_FALSE(change(binding, "k.weight").any());
  EXPECT_EQ(change(binding, "k.weight").base, 0u);
  EXPECT_THAT(binding.notes, IsEmpty());
}

TEST(BindAdapter, OnePrefixOnEitherSide) {
  const AdapterBinding removed = bound(kBase, linear("model.q", 5, 4));
  EXPECT_TRUE(change(removed, "q.weight").module);
  EXPECT_THAT(removed.notes, ElementsAre(HasSubstr("without the prefix 'model.'")));
  std::vector<TensorInfo> wrapped = kBase;
  for (TensorInfo& tensor : wrapped) tensor.name.insert(0, "bert.encoder.");
  const AdapterBinding added = bound(wrapped, linear("q", 5, 4));
  EXPECT_TRUE(change(added, "bert.encoder.q.weight").module);
  EXPECT_THAT(added.notes, ElementsAre(HasSubstr("with the prefix 'bert.encoder.'")));
}

// Two wrappers fit equally: neither is taken.
TEST(BindAdapter, AnAmbiguousPrefixIsNone) {
  EXPECT_THAT(complaint({{"a.q.weight", DType::f32, {5, 4}}, {"b.q.weight", DType::f32, {5, 4}}},
                        linear("q", 5, 4)),
              HasSubstr("has no tensor 'q.weight'"));
}

TEST(BindAdapter, WholeTensors) {
  const AdapterBinding binding = bound(kBase, {{"norm.gamma", DType::f32, {4}},
                                               {"q.weight", DType::f32, {7, 4}},
                                               {"head.weight", DType::f16, {2, 4}}});
  EXPECT_TRUE(change(binding, "norm.weight").replaced);
  EXPECT_TRUE(change(binding, "q.weight").replaced);
  const AdapterChange& head = change(binding, "head.weight");
  EXPECT_TRUE(head.replaced);
  EXPECT_FALSE(head.base);
  EXPECT_EQ(binding.headers[0].name, "head.weight");
  EXPECT_EQ(binding.headers[0].dtype, DType::f16);
  EXPECT_THAT(binding.headers[4].shape, ElementsAre(7, 4));
  EXPECT_EQ(binding.headers[4].dtype, DType::bf16);  // the type to be stored in is the base's
  EXPECT_THAT(binding.notes, ElementsAre(HasSubstr("not in its base: head.weight"),
                                         HasSubstr("another size than in its base: q.weight")));
}

TEST(BindAdapter, WhatDoesNotFitIsNamed) {
  EXPECT_THAT(complaint(kBase, linear("qq", 5, 4)),
              AllOf(HasSubstr("base has no tensor 'qq.weight'"), HasSubstr("nearest"),
                    HasSubstr("qq.lora_A.weight")));
  EXPECT_THAT(complaint(kBase, linear("q", 5, 3)),
              AllOf(HasSubstr("[5, 3]"), HasSubstr("[5, 4]"), HasSubstr("adapter's base")));
  EXPECT_THAT(complaint(kBase, joined({linear("k", 3, 4), {{"k.lora_B.bias", DType::f32, {3}}}}),
                        R"(, "r": 2, "lora_bias": true)"),
              HasSubstr("no tensor 'k.bias'"));
  EXPECT_THAT(complaint(kBase, {{"q.weight", DType::f32, {5, 7}}}), HasSubstr("[5, 7]"));
  EXPECT_THAT(complaint(kBase, {{"q.bias", DType::i64, {5}}}), HasSubstr("int64"));
  EXPECT_THAT(complaint(kBase, {{"norm.gamma", DType::f32, {4}}, {"norm.weight", DType::f32, {4}}}),
              HasSubstr("replaced twice"));
  EXPECT_THAT(complaint({{"q.weight", DType::i8, {5, 4}}}, linear("q", 5, 4)), HasSubstr("int8"));
}

TEST(BindAdapter, SquareWeightsLieAsTheOthersDo) {
  const std::vector<TensorInfo> base = {{"h.c_attn.weight", DType::f32, {4, 12}},
                                        {"h.c_proj.weight", DType::f32, {4, 4}},
                                        {"head.weight", DType::f32, {9, 4}},
                                        {"m.c_proj.weight", DType::f32, {16, 4}}};
  const auto square = linear("h.c_proj", 4, 4), wide = linear("h.c_attn", 12, 4);
  const auto head = linear("head", 9, 4), narrow = linear("m.c_proj", 4, 16);
  const auto turned = [&](const std::vector<std::vector<TestTensor>>& parts,
                          const std::string& more = kRank2) {
    return change(bound(base, joined(parts), more), "h.c_proj.weight").transposed;
  };
  EXPECT_TRUE(turned({square, wide}));
  EXPECT_FALSE(turned({square, head}));
  EXPECT_TRUE(turned({square, wide, head, narrow}));  // as the other c_proj
  EXPECT_FALSE(turned({square}));
  EXPECT_TRUE(turned({square}, kRank2 + R"(, "fan_in_fan_out": true)"));
  EXPECT_THAT(complaint(base, joined({square, wide, head})), HasSubstr("cannot be told"));
}

}  // namespace
}  // namespace merganser
