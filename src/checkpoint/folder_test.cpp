#include "checkpoint/folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using test::complaint;
using test::TemporaryFolder;
using test::write_file;
using test::write_index;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kArchiveStart = "PK\x03\x04";

// The chosen files of a folder with these empty files in it; "+" in front: with an archive's start.
std::vector<std::string> chosen(const TemporaryFolder& folder,
                                const std::vector<std::string>& names,
                                std::vector<std::string>* notes = nullptr) {
  for (const std::string& name : names) {
    const bool archive = name.starts_with('+');
    write_file(folder / name.substr(archive ? 1 : 0), archive ? kArchiveStart : "");
  }
  const FoundWeights found = find_weights(folder.path());
  std::vector<std::string> files;
  for (const fs::path& file : found.files) files.push_back(file.filename().string());
  if (notes != nullptr) *notes = found.notes;
  return files;
}

std::vector<std::string> chosen(const std::vector<std::string>& names,
                                std::vector<std::string>* notes = nullptr) {
  return chosen(TemporaryFolder(), names, notes);
}

std::string refusal(const std::vector<std::string>& names) {
  return complaint([&] { chosen(names); });
}

TEST(FindWeights, SafetensorsBeforeArchives) {
  std::vector<std::string> notes;
  EXPECT_THAT(chosen({"model.safetensors", "+pytorch_model.bin", "+model.pt"}, &notes),
              ElementsAre("model.safetensors"));
  EXPECT_THAT(notes,
              ElementsAre("not part of this checkpoint, left out: model.pt, pytorch_model.bin"));
  EXPECT_THAT(chosen({"unet.safetensors", "+pytorch_model.bin"}), ElementsAre("unet.safetensors"));
  EXPECT_THAT(chosen({"a.safetensors", "b.safetensors", "+pytorch_model.bin"}, &notes),
              ElementsAre("pytorch_model.bin"));
  EXPECT_THAT(notes,
              ElementsAre("not part of this checkpoint, left out: a.safetensors, b.safetensors"));
}

TEST(FindWeights, TheOnlyArchive) {
  EXPECT_THAT(chosen({"pytorch_model.bin"}), ElementsAre("pytorch_model.bin"));
  for (const char* name : {"sd.ckpt", "net.pt", "consolidated.00.pth"}) {
    EXPECT_THAT(chosen({name}), ElementsAre(name));
  }
  EXPECT_THAT(chosen({"+weights.bin", "vocab.bin"}), ElementsAre("weights.bin"));
}

TEST(FindWeights, WhatBelongsToATrainingIsNoWeights) {
  EXPECT_THAT(chosen({"+pytorch_model.bin", "+training_args.bin", "optimizer.pt", "scheduler.pt",
                      "rng_state_0.pth", "+tokenizer.bin", "scaler.pt", "+optimizer.bin"}),
              ElementsAre("pytorch_model.bin"));
  EXPECT_THAT(chosen({"+net.pt", "+training_args.bin", "optimizer.pt"}), ElementsAre("net.pt"));
  EXPECT_THAT(refusal({"+training_args.bin", "optimizer.pt", "vocab.bin", "model.onnx"}),
              AllOf(StartsWith("not_found: "), HasSubstr("no PyTorch archive")));
}

TEST(FindWeights, ShardsOfArchives) {
  const TemporaryFolder folder;
  const std::vector<std::string> shards = {"pytorch_model-00001-of-00002.bin",
                                           "pytorch_model-00002-of-00002.bin"};
  write_index(folder / "pytorch_model.bin.index.json", {{"a", shards[0]}, {"b", shards[1]}});
  EXPECT_THAT(chosen(folder, shards), ElementsAre(shards[0], shards[1]));
  fs::remove(folder / shards[0]);
  EXPECT_THAT(complaint([&] { chosen(folder, {}); }),
              AllOf(StartsWith("not_found: "), HasSubstr("1 of 2 files named in pytorch_model.bin."
                                                         "index.json are missing")));
  EXPECT_THAT(refusal(shards), AllOf(StartsWith("usage: "),
                                     HasSubstr("2 PyTorch archives without "
                                               "an index are here"),
                                     HasSubstr("pytorch_model.bin.index.json")));
}

TEST(FindWeights, AnIndexOfAbsentFilesIsPassedOverIfSomethingIsWhole) {
  const TemporaryFolder folder;
  write_index(folder / "model.safetensors.index.json",
              {{"a", "s1.safetensors"}, {"b", "s2.safetensors"}});
  const auto because =
      HasSubstr("1 of 2 files named in model.safetensors.index.json are missing: ");
  EXPECT_THAT(complaint([&] { chosen(folder, {"s1.safetensors"}); }), because);
  std::vector<std::string> notes;
  EXPECT_THAT(chosen(folder, {"+pytorch_model.bin"}, &notes), ElementsAre("pytorch_model.bin"));
  EXPECT_THAT(notes, ElementsAre(AllOf(because, HasSubstr("pytorch_model.bin is read instead")),
                                 HasSubstr("left out: s1.safetensors")));
  EXPECT_THAT(chosen(folder, {"model.safetensors"}, &notes), ElementsAre("model.safetensors"));
  EXPECT_THAT(notes, ElementsAre(AllOf(because, HasSubstr("model.safetensors is read instead")),
                                 HasSubstr("left out: s1.safetensors, pytorch_model.bin")));
}

TEST(FindWeights, OneShardWithoutAnIndexIsNoModel) {
  EXPECT_THAT(refusal({"model-00001-of-00002.safetensors"}),
              AllOf(StartsWith("not_found: "), HasSubstr("one shard of several, and no index")));
  EXPECT_THAT(refusal({"pytorch_model-00001-of-00002.bin"}),
              AllOf(StartsWith("not_found: "), HasSubstr("one shard of several, and no index")));
  EXPECT_THAT(chosen({"model-00001-of-00001.safetensors"}),
              ElementsAre("model-00001-of-00001.safetensors"));
}

TEST(FindWeights, SeveralArchivesOfWhichNoneIsTheUsualOne) {
  EXPECT_THAT(refusal({"a.pt", "+b.bin", "c.ckpt"}),
              AllOf(StartsWith("usage: "), HasSubstr("3 PyTorch archives"),
                    HasSubstr("a.pt, b.bin, c.ckpt"), HasSubstr("give one")));
}

TEST(FindWeights, AnAdapterIsNoModel) {
  EXPECT_THAT(refusal({"adapter_config.json", "+adapter_model.bin"}),
              HasSubstr("a LoRA adapter, not a model"));
  EXPECT_THAT(chosen({"adapter_config.json", "adapter_model.safetensors", "+pytorch_model.bin"}),
              ElementsAre("pytorch_model.bin"));
}

}  // namespace
}  // namespace merganser
