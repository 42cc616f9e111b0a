#include "checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "checkpoint/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::complaint;
using test::TemporaryFolder;
using test::write_file;
using test::write_index;
using test::write_safetensors;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kIndex = "model.safetensors.index.json";

std::string refusal(const fs::path& path) {
  return complaint([&] { Checkpoint::open(path); });
}

std::vector<std::string> names(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const StoredTensor& tensor : checkpoint.tensors()) names.push_back(tensor.info.name);
  return names;
}

// Two shards of one tensor each, and their index.
void write_shards(const fs::path& folder) {
  write_safetensors(folder / "s1.safetensors", {{"b", DType::u8, {2}, "b1"}});
  write_safetensors(folder / "s2.safetensors", {{"a", DType::u8, {3}, "a23"}});
  write_index(folder / kIndex, {{"a", "s2.safetensors"}, {"b", "s1.safetensors"}});
}

TEST(Checkpoint, FolderWithOneFile) {
  const TemporaryFolder folder;
  write_safetensors(folder / "model.safetensors", {{"w", DType::f32, {2}, bytes_of<float>({1, 2})},
                                                   {"a", DType::u8, {3}, "xyz"}});
  write_file(folder / "config.json", R"({"z": 1, "model_type": "llama"})");
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_FALSE(checkpoint.single_file());
  EXPECT_EQ(checkpoint.path(), folder.path());
  EXPECT_THAT(checkpoint.files(), ElementsAre(folder / "model.safetensors"));
  EXPECT_THAT(names(checkpoint), ElementsAre("a", "w"));
  EXPECT_EQ(checkpoint.headers()[1].shape, Shape{2});
  EXPECT_EQ(checkpoint.bytes(), 11u);
  ASSERT_NE(checkpoint.config(), nullptr);
  EXPECT_EQ(checkpoint.config()->dump(), R"({"z":1,"model_type":"llama"})");
  EXPECT_EQ(checkpoint.config_text(), R"({"z": 1, "model_type": "llama"})");
  EXPECT_THAT(checkpoint.notes(), ElementsAre());

  EXPECT_EQ(checkpoint.find("b"), nullptr);
  const StoredTensor* tensor = checkpoint.find("a");
  ASSERT_NE(tensor, nullptr);
  std::string part(2, '?');
  checkpoint.read(*tensor, 1, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "yz");
}

TEST(Checkpoint, SingleFile) {
  const TemporaryFolder folder;
  const auto path = write_safetensors(folder / "lora.safetensors", {{"w", DType::u8, {1}}});
  write_file(folder / "config.json", "{}");
  const Checkpoint checkpoint = Checkpoint::open(path);
  EXPECT_TRUE(checkpoint.single_file());
  EXPECT_EQ(checkpoint.config(), nullptr);
  EXPECT_THAT(names(checkpoint), ElementsAre("w"));
}

TEST(Checkpoint, OneShardAloneIsNoted) {
  const TemporaryFolder folder;
  const auto path =
      write_safetensors(folder / "model-00001-of-00002.safetensors", {{"w", DType::u8, {1}}});
  EXPECT_THAT(Checkpoint::open(path).notes(), ElementsAre(HasSubstr("one shard of several")));
}

TEST(Checkpoint, TheOnlyFileOfAFolder) {
  const TemporaryFolder folder;
  write_safetensors(folder / "diffusion.safetensors", {{"w", DType::u8, {1}}});
  write_file(folder / "._diffusion.safetensors", "litter");
  EXPECT_THAT(names(Checkpoint::open(folder.path())), ElementsAre("w"));
}

TEST(Checkpoint, Shards) {
  const TemporaryFolder folder;
  write_shards(folder.path());
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_THAT(names(checkpoint), ElementsAre("a", "b"));
  EXPECT_EQ(checkpoint.files().size(), 2u);
  std::string data(3, '?');
  checkpoint.read(*checkpoint.find("a"), 0, std::as_writable_bytes(std::span(data)));
  EXPECT_EQ(data, "a23");
}

TEST(Checkpoint, AnIndexOfAnotherName) {
  const TemporaryFolder folder;
  write_shards(folder.path());
  fs::rename(folder / kIndex, folder / "unet.safetensors.index.json");
  EXPECT_THAT(names(Checkpoint::open(folder.path())), ElementsAre("a", "b"));
  fs::copy_file(folder / "unet.safetensors.index.json", folder / "vae.safetensors.index.json");
  EXPECT_THAT(refusal(folder.path()),
              AllOf(StartsWith("usage: "), HasSubstr("several indices"), HasSubstr("vae")));
}

TEST(Checkpoint, WhatTheIndexDoesNotNameIsLeftOutWithANote) {
  const TemporaryFolder folder;
  write_shards(folder.path());
  write_safetensors(folder / "s1.safetensors",
                    {{"b", DType::u8, {2}, "b1"}, {"extra", DType::u8, {1}}});
  write_safetensors(folder / "consolidated.safetensors", {{"q", DType::u8, {1}}});
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_THAT(names(checkpoint), ElementsAre("a", "b"));
  EXPECT_THAT(checkpoint.notes(),
              ElementsAre("not part of this checkpoint, left out: consolidated.safetensors",
                          "1 tensors in the files are not in the index, left out: extra"));
}

TEST(Checkpoint, LinksOfTheHuggingFaceCache) {
  const TemporaryFolder cache;
  const fs::path snapshot = cache / "models--org--name" / "snapshots" / "0123";
  write_safetensors(cache / "models--org--name" / "blobs" / "aa", {{"b", DType::u8, {1}}});
  write_safetensors(cache / "models--org--name" / "blobs" / "bb", {{"a", DType::u8, {1}}});
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/aa", snapshot / "s1.safetensors");
  fs::create_symlink("../../blobs/bb", snapshot / "s2.safetensors");
  write_index(snapshot / kIndex, {{"a", "s2.safetensors"}, {"b", "s1.safetensors"}});
  EXPECT_THAT(names(Checkpoint::open(snapshot)), ElementsAre("a", "b"));

  fs::rename(cache / "models--org--name" / "blobs" / "bb",
             cache / "models--org--name" / "blobs" / "bb.incomplete");
  EXPECT_THAT(refusal(snapshot),
              AllOf(StartsWith("not_found: "), HasSubstr("s2.safetensors"),
                    HasSubstr("its download is unfinished ('bb.incomplete' is there)"),
                    HasSubstr("hf download org/name")));
}

TEST(CheckpointRefuses, PathsThatLeadNowhere) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder / "absent"),
              AllOf(StartsWith("not_found: "), HasSubstr("no such file or folder")));
  EXPECT_THAT(refusal("meta-llama/Llama-3.1-8B"), HasSubstr("hf download meta-llama/Llama-3.1-8B"));
  fs::create_symlink(folder / "loop", folder / "loop");
  EXPECT_THAT(refusal(folder / "loop"), AllOf(StartsWith("io: "), HasSubstr("circle")));
  fs::create_symlink(folder / "gone", folder / "dangling");
  EXPECT_THAT(refusal(folder / "dangling"), StartsWith("not_found: "));
  write_file(folder / "f", "x");
  EXPECT_THAT(refusal(folder / "f" / "g"), testing::Not("no error"));
  fs::create_directory(folder / "empty");
  EXPECT_THAT(refusal(folder / "empty"),
              AllOf(StartsWith("not_found: "), HasSubstr("no .safetensors file is in this folder, "
                                                         "and no PyTorch archive")));
}

TEST(CheckpointRefuses, FolderItMayNotRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "permissions do not bind root";
  const TemporaryFolder folder;
  fs::create_directory(folder / "locked");
  fs::permissions(folder / "locked", fs::perms::none);
  EXPECT_THAT(refusal(folder / "locked"), StartsWith("io: "));
  fs::permissions(folder / "locked", fs::perms::owner_all);
}

TEST(CheckpointRefuses, AFolderInPlaceOfAFile) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "model.safetensors");
  EXPECT_THAT(refusal(folder.path()), AllOf(StartsWith("io: "), HasSubstr("this is a folder")));
}

TEST(CheckpointRefuses, SeveralFilesWithoutAnIndex) {
  const TemporaryFolder folder;
  write_safetensors(folder / "x.safetensors", {{"w", DType::u8, {1}}});
  write_safetensors(folder / "y.safetensors", {{"w", DType::u8, {1}}});
  EXPECT_THAT(refusal(folder.path()),
              AllOf(StartsWith("usage: "), HasSubstr("2 .safetensors files without an index"),
                    HasSubstr("x.safetensors, y.safetensors"), HasSubstr("give one")));
}

TEST(CheckpointRefuses, OtherFormatsOnly) {
  const TemporaryFolder folder;
  write_file(folder / "q4.gguf", "x");
  EXPECT_THAT(refusal(folder.path()), AllOf(StartsWith("unsupported: "), HasSubstr("q4.gguf")));
}

TEST(CheckpointRefuses, Adapters) {
  const TemporaryFolder folder;
  write_file(folder / "adapter_config.json", "{}");
  write_safetensors(folder / "adapter_model.safetensors", {{"w", DType::u8, {1}}});
  EXPECT_THAT(refusal(folder.path()),
              AllOf(StartsWith("unsupported: "), HasSubstr("a LoRA adapter, not a model"),
                    HasSubstr("BASE+ADAPTER")));
}

TEST(CheckpointRefuses, UnfinishedDownloads) {
  for (const char* name :
       {"model.safetensors.incomplete", "model.safetensors.part", "Unconfirmed 1.crdownload",
        ".cache/huggingface/download/x.incomplete"}) {
    const TemporaryFolder folder;
    write_file(folder / name, "x");
    EXPECT_THAT(refusal(folder.path()),
                AllOf(StartsWith("not_found: "), HasSubstr("its download is unfinished"),
                      HasSubstr("hf download"), HasSubstr("huggingface-cli download")))
        << name;
  }
}

TEST(CheckpointRefuses, IndexesThatDoNotFitTheirFiles) {
  const TemporaryFolder folder;
  write_shards(folder.path());
  const auto with = [&](const std::map<std::string, std::string>& map) {
    write_index(folder / kIndex, map);
    return refusal(folder.path());
  };
  EXPECT_THAT(
      with({{"a", "s2.safetensors"}, {"b", "s3.safetensors"}}),
      AllOf(StartsWith("not_found: "), HasSubstr("1 of 2 files named in model.safetensors."
                                                 "index.json are missing: s3.safetensors")));
  EXPECT_THAT(with({{"a", "s2.safetensors"}, {"b", "s1.safetensors"}, {"c", "s1.safetensors"}}),
              AllOf(StartsWith("corrupt: "), HasSubstr("tensor 'c': index says this tensor is in "
                                                       "'s1.safetensors', but it is in none")));
  EXPECT_THAT(with({{"a", "s1.safetensors"}, {"b", "s2.safetensors"}}),
              HasSubstr("tensor 'a': index says this tensor is in 's1.safetensors', but it is in "
                        "'s2.safetensors'"));
  write_safetensors(folder / "s1.safetensors", {{"a", DType::u8, {2}}, {"b", DType::u8, {2}}});
  EXPECT_THAT(with({{"a", "s2.safetensors"}, {"b", "s1.safetensors"}}),
              AllOf(HasSubstr("tensor 'a': this tensor is stored twice, in 's1.safetensors' and "
                              "'s2.safetensors'")));
}

TEST(CheckpointRefuses, IndexesThatAreNone) {
  const TemporaryFolder folder;
  write_shards(folder.path());
  const auto with = [&](std::string_view text) {
    write_file(folder / kIndex, text);
    return refusal(folder.path());
  };
  EXPECT_THAT(with(""), HasSubstr(std::string(kIndex) + ":1:1: not valid JSON"));
  EXPECT_THAT(with("[]"), HasSubstr("index has no 'weight_map' object"));
  EXPECT_THAT(with("{}"), HasSubstr("index has no 'weight_map' object"));
  EXPECT_THAT(with(R"({"weight_map": []})"), HasSubstr("no 'weight_map' object"));
  EXPECT_THAT(with(R"({"weight_map": {}})"), HasSubstr("index names no tensor"));
  EXPECT_THAT(with(R"({"weight_map": {"a": 1}})"), HasSubstr("names no file"));
  EXPECT_THAT(with(R"({"weight_map": {"a": "s1.safetensors", "a": "s2.safetensors"}})"),
              HasSubstr("key 'a' occurs twice"));
  EXPECT_THAT(with(std::string(1'000'000, '[')), HasSubstr("nested more than"));
  for (const char* name : {"../s1.safetensors", "/etc/passwd", "..", ".", "", "d/s.safetensors",
                           "a\\\\b", "a\\u0000b"}) {
    EXPECT_THAT(with(R"({"weight_map": {"a": ")" + std::string(name) + "\"}}"),
                AllOf(StartsWith("corrupt: "), HasSubstr("only plain names")))
        << name;
  }
}

TEST(CheckpointRefuses, Configs) {
  const TemporaryFolder folder;
  write_safetensors(folder / "model.safetensors", {{"w", DType::u8, {1}}});
  const auto with = [&](std::string_view text) {
    write_file(folder / "config.json", text);
    return refusal(folder.path());
  };
  EXPECT_THAT(with("{"), HasSubstr("config.json:1:2: not valid JSON"));
  EXPECT_THAT(with("[]"), HasSubstr("config is not a JSON object"));
  EXPECT_THAT(with(std::string(1'000'000, '[')), HasSubstr("nested more than 256"));
  EXPECT_EQ(with(R"({"a": 1, "a": 2})"), "no error");  // as Python reads it
  fs::resize_file(folder / "config.json", (16 << 20) + 1);
  EXPECT_THAT(refusal(folder.path()), StartsWith("unsupported: "));
}

TEST(CheckpointRefuses, AnIndexGivenAsTheCheckpoint) {
  const TemporaryFolder folder;
  write_shards(folder.path());
  EXPECT_THAT(refusal(folder / kIndex), AllOf(StartsWith("usage: "), HasSubstr("give the folder")));
}

TEST(Checkpoint, FileCutShortAfterOpeningNamesTheTensor) {
  const TemporaryFolder folder;
  const auto path = write_safetensors(folder / "m.safetensors", {{"w", DType::u8, {64}}});
  const Checkpoint checkpoint = Checkpoint::open(path);
  const std::uint64_t end = checkpoint.find("w")->offset + 40;
  fs::resize_file(path, end);
  std::vector<std::byte> data(64);
  EXPECT_THAT(complaint([&] { checkpoint.read(*checkpoint.find("w"), 0, data); }),
              AllOf(StartsWith("corrupt: "),
                    HasSubstr("tensor 'w': file ends at byte " + std::to_string(end))));
}

TEST(Checkpoint, RealModels) {
  const fs::path data = fs::path(MERGANSER_SOURCE_DIR) / ".." / "shared" / "data" / "stories260k";
  if (!fs::exists(data)) GTEST_SKIP() << "no shared data at " << data;
  for (const char* name : {"base", "inaugural", "shakespeare"}) {
    const Checkpoint checkpoint = Checkpoint::open(data / name);
    ASSERT_NE(checkpoint.config(), nullptr);
    EXPECT_EQ(checkpoint.config()->at("model_type"), "llama");
    const StoredTensor* embedding = checkpoint.find("model.embed_tokens.weight");
    ASSERT_NE(embedding, nullptr);
    EXPECT_EQ(embedding->info.shape, (Shape{512, 64}));
    EXPECT_GT(checkpoint.tensors().size(), 40u);
    EXPECT_THAT(checkpoint.notes(), ElementsAre());
  }
}

}  // namespace
}  // namespace merganser
