#include "checkpoint/shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using test::complaint;
using test::read_file;
using test::TemporaryFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const std::vector<TensorInfo> kTensors = {{"a", DType::bf16, {3}},  // 6 bytes
                                          {"b", DType::f32, {4}},   // 16
                                          {"c", DType::u8, {1}},    // 1
                                          {"d", DType::f64, {}},    // 8
                                          {"e", DType::f32, {0}}};

TEST(ShardPlan, OneFileWhereItFits) {
  const ShardPlan plan = plan_shards(kTensors, 31);
  ASSERT_EQ(plan.files.size(), 1u);
  EXPECT_FALSE(plan.indexed());
  EXPECT_EQ(plan.files[0].name, "model.safetensors");
  EXPECT_THAT(plan.files[0].tensors, ElementsAre(3, 1, 4, 0, 2));
  EXPECT_EQ(plan.data_bytes, 31u);
  const std::uint64_t start = plan.files[0].header.size();
  EXPECT_EQ(plan.bytes(), start + 31);
  EXPECT_EQ(start % 8, 0u);
  EXPECT_EQ(plan.spots[3].offset, start);
  EXPECT_EQ(plan.spots[1].offset, start + 8);
  EXPECT_EQ(plan.spots[0].offset, start + 24);
  EXPECT_EQ(plan.spots[2].offset, start + 30);
  EXPECT_EQ(plan_shards(kTensors, 31, "merged.safetensors").files[0].name, "merged.safetensors");
}

TEST(ShardPlan, SplitsInNameOrder) {
  const ShardPlan plan = plan_shards(kTensors, 17);
  ASSERT_EQ(plan.files.size(), 3u);
  EXPECT_EQ(plan.files[0].name, "model-00001-of-00003.safetensors");
  EXPECT_EQ(plan.files[2].name, "model-00003-of-00003.safetensors");
  EXPECT_THAT(plan.files[0].tensors, ElementsAre(0));
  EXPECT_THAT(plan.files[1].tensors, ElementsAre(1, 2));
  EXPECT_THAT(plan.files[2].tensors, ElementsAre(3, 4));
  EXPECT_EQ(plan.spots[2].file, 1u);
}

TEST(ShardPlan, LargerTensorsGetAShardOfTheirOwn) {
  const ShardPlan plan = plan_shards(kTensors, 1);
  EXPECT_EQ(plan.files.size(), 4u);  // the empty tensor goes with the one before
  EXPECT_EQ(plan_shards(kTensors, 0).files.size(), 4u);
}

TEST(ShardPlan, NoTensorsMakeOneEmptyFile) {
  const ShardPlan plan = plan_shards({}, 100);
  ASSERT_EQ(plan.files.size(), 1u);
  EXPECT_EQ(plan.data_bytes, 0u);
  EXPECT_EQ(plan.files[0].size, plan.files[0].header.size());
}

TEST(ShardPlan, IndexAsTransformersWritesIt) {
  const std::vector<TensorInfo> tensors = {{"w\"", DType::u8, {2}}, {"a", DType::u8, {2}}};
  EXPECT_EQ(plan_shards(tensors, 2).index_text(tensors),
            "{\n  \"metadata\": {\n    \"total_size\": 4\n  },\n  \"weight_map\": {\n"
            "    \"a\": \"model-00002-of-00002.safetensors\",\n"
            "    \"w\\\"\": \"model-00001-of-00002.safetensors\"\n  }\n}\n");
}

TEST(ShardWriter, WhatIsWrittenIsReadBack) {
  const TemporaryFolder folder;
  const ShardPlan plan = plan_shards(kTensors, 17);
  {
    ShardWriter writer(plan, folder.path());
    for (std::size_t i = kTensors.size(); i-- > 0;) {  // any order, in two parts
      const std::string data(kTensors[i].bytes(), static_cast<char>('A' + i));
      const auto bytes = std::as_bytes(std::span(data));
      const std::size_t half = bytes.size() / 2;
      writer.write(i, half, bytes.subspan(half));
      writer.write(i, 0, bytes.first(half));
    }
    writer.sync();
  }
  test::write_file(folder / "model.safetensors.index.json", plan.index_text(kTensors));
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  ASSERT_EQ(checkpoint.tensors().size(), kTensors.size());
  EXPECT_EQ(checkpoint.bytes(), plan.data_bytes);
  EXPECT_THAT(checkpoint.notes(), ElementsAre());
  for (std::size_t i = 0; i < kTensors.size(); ++i) {
    const StoredTensor& tensor = checkpoint.tensors()[i];
    EXPECT_EQ(tensor.info.name, kTensors[i].name);
    EXPECT_EQ(tensor.info.shape, kTensors[i].shape);
    EXPECT_EQ(tensor.offset % size_of(tensor.info.dtype), 0u);
    std::string data(tensor.info.bytes(), '?');
    checkpoint.read(tensor, 0, std::as_writable_bytes(std::span(data)));
    EXPECT_EQ(data, std::string(data.size(), static_cast<char>('A' + i)));
  }
}

TEST(ShardWriter, RefusesWhatTheDiskCannotHold) {
  const TemporaryFolder folder;
  const std::vector<TensorInfo> tensors = {{"a", DType::u8, {8}},
                                           {"w", DType::f32, {std::uint64_t{1} << 50}}};
  const ShardPlan plan = plan_shards(tensors, 100);
  EXPECT_THAT(complaint([&] { ShardWriter writer(plan, folder.path()); }),
              AllOf(StartsWith("io: "), HasSubstr("no space left: needs 4.50 PB, ")));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ShardWriter, FailureRemovesWhatItMadeAndNothingElse) {
  const TemporaryFolder folder;
  const ShardPlan plan = plan_shards(kTensors, 17);
  test::write_file(folder / plan.files[1].name, "precious");
  EXPECT_THAT(complaint([&] { ShardWriter writer(plan, folder.path()); }), StartsWith("io: "));
  EXPECT_FALSE(fs::exists(folder / plan.files[0].name));
  EXPECT_EQ(read_file(folder / plan.files[1].name), "precious");
}

}  // namespace
}  // namespace merganser
