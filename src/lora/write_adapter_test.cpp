#include "lora/write_adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/testing.h"
#include "lora/store.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;
using Names = std::vector<std::string>;

TEST(ShortNames, LastPartsStandForAllThatEndInThem) {
  const Names all = {"m.0.q", "m.0.k", "m.1.q", "m.1.k", "norm"};
  EXPECT_THAT(short_names(Names{"m.0.q", "m.1.q"}, all), ElementsAre("q"));
  EXPECT_THAT(short_names(Names{"m.0.q", "m.0.k", "m.1.k"}, all), ElementsAre("k", "m.0.q"));
  EXPECT_THAT(short_names(Names{}, all), ElementsAre());
}

TEST(ShortNames, EndsOfOtherNamesCountToo) {
  const Names all = {"m.0.input_norm", "m.norm", "m.0.0"};
  EXPECT_THAT(short_names(Names{"m.norm"}, all), ElementsAre("m.norm"));
  EXPECT_THAT(short_names(Names{"m.norm", "m.0.input_norm"}, all),
              ElementsAre("input_norm", "norm"));
  EXPECT_THAT(short_names(Names{"m.0.0"}, all), ElementsAre("m.0.0"));  // m.0 ends in 0, too
}

Terms terms(std::size_t rank) {
  Terms made{Matrix<double>(rank, 3), Matrix<double>(rank, 2), {}, 0};
  for (std::size_t r = 0; r < rank; ++r) {
    made.s.push_back(static_cast<double>(4 * (rank - r)));
    made.energy += made.s.back() * made.s.back();
    for (std::size_t c = 0; c < 3; ++c) made.left(r, c) = static_cast<double>(10 * r + c);
    for (std::size_t c = 0; c < 2; ++c) made.right(r, c) = static_cast<double>(10 * r + c + 5);
  }
  return made;
}

LoraModule module_named(const std::string& name) {
  return {AdapterModule::Kind::linear, name, 3, {2}, DType::f32};
}

TEST(SetRanks, PatternsNameTheOthers) {
  const test::TemporaryFolder folder;
  TermStore store(folder.path());
  store.add(module_named("a.q"), terms(2));
  store.add(module_named("b.q"), terms(4));
  store.add(module_named("c"), terms(3));
  store.add(module_named("empty"), terms(1)).rank = 0;
  Json config;
  set_ranks(store, config);
  EXPECT_EQ(config["r"], 4);
  EXPECT_EQ(config["lora_alpha"], 4);
  EXPECT_EQ(config["rank_pattern"].dump(), R"({"a.q":2,"c":3})");
  EXPECT_EQ(config["alpha_pattern"], config["rank_pattern"]);
}

TEST(SetRanks, NamesThatEndInAnotherAreToldApart) {
  const test::TemporaryFolder folder;
  TermStore store(folder.path());
  store.add(module_named("fc"), terms(2));
  store.add(module_named("decoder.fc"), terms(4));
  Json config;
  set_ranks(store, config);
  EXPECT_EQ(config["rank_pattern"].dump(), R"({"decoder.fc":4,"fc":2})");
}

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(TermStore, ScalesAreShared) {
  const test::TemporaryFolder folder;
  TermStore store(folder.path());
  store.add(module_named("before"), terms(1));
  auto& entry = store.add(module_named("m"), terms(2));  // s = 8, 4
  EXPECT_THAT(floats(store.a(entry, false)), ElementsAre(40, 48, 60, 64));
  EXPECT_THAT(floats(store.b(entry, false)), ElementsAre(0, 10, 1, 11, 2, 12));
  const float root = std::sqrt(8.0f);
  EXPECT_THAT(floats(store.a(entry, true)), ElementsAre(5 * root, 6 * root, 30, 32));
  EXPECT_THAT(floats(store.b(entry, true)), ElementsAre(0, 20, root, 22, 2 * root, 24));
  entry.rank = 1;
  EXPECT_THAT(floats(store.a(entry, false)), ElementsAre(40, 48));
  EXPECT_THAT(floats(store.b(entry, false)), ElementsAre(0, 1, 2));
}

TEST(WriteAdapter, WhatPeftReads) {
  const test::TemporaryFolder folder;
  TermStore store(folder.path());
  store.add(module_named("m"), terms(2));
  LoraModule embedding{AdapterModule::Kind::embedding, "e", 3, {2}, DType::f32};
  store.add(embedding, terms(1));
  std::vector<WholeTensor> whole;
  whole.push_back({{"base_model.model.norm.weight", DType::f32, {1}},
                   [](std::uint64_t, std::span<std::byte> out) {
                     const float seven = 7;
                     std::memcpy(out.data(), &seven, 4);
                   }});
  Progress progress;
  write_adapter_weights(store, true, std::move(whole), folder.path(), true, progress);
  Json config = {{"peft_type", "LORA"}};
  set_ranks(store, config);
  test::write_file(folder / "adapter_config.json", config.dump());
  const Adapter adapter = Adapter::open(folder.path());
  ASSERT_EQ(adapter.modules().size(), 2u);
  EXPECT_EQ(adapter.modules()[0].kind, AdapterModule::Kind::embedding);
  EXPECT_EQ(adapter.modules()[0].scale, 1);
  EXPECT_EQ(adapter.modules()[1].rank, 2u);
  EXPECT_EQ(adapter.modules()[1].scale, 1);
  ASSERT_EQ(adapter.replaced().size(), 1u);
  EXPECT_EQ(adapter.replaced()[0].name, "norm.weight");
}

TEST(WriteAdapter, StopsWhenAsked) {
  const test::TemporaryFolder folder;
  TermStore store(folder.path());
  store.add(module_named("m"), terms(2));
  Progress progress;
  progress.stop();
  EXPECT_THAT(test::complaint(
                  [&] { write_adapter_weights(store, true, {}, folder.path(), false, progress); }),
              ::testing::StartsWith("interrupted"));
}

}  // namespace
}  // namespace merganser
