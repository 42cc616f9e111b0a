#include "layout/companions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "layout/output_folder.h"
#include "layout/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string reason(const Companions& companions, const std::string& name) {
  for (const LeftOutFile& file : companions.left_out) {
    if (file.name == name) return file.reason;
  }
  return "";
}

TEST(Companions, EverythingElseByteForByte) {
  const test::Models models;
  const std::string odd("\0\r\n\xff", 4);
  const std::vector<std::string> wanted = {"1_Pooling/config.json",
                                           "2_Dense/model.safetensors",
                                           "2_Dense/pytorch_model.bin",
                                           "LICENSE",
                                           "a/README.md",
                                           "deep/er/still.bin",
                                           "empty.txt",
                                           "modeling_own.py",
                                           "tokenizer.bin",
                                           "tokenizer.json"};
  for (const std::string& name : wanted) {
    test::write_file(models.base() / name, name == "empty.txt" ? "" : odd + name);
  }
  test::write_file(models.tune() / "stray.txt", "not the base's");
  const Plan plan = models.plan();
  std::vector<std::string> listed = wanted;
  listed.insert(std::ranges::lower_bound(listed, "config.json"), "config.json");
  EXPECT_EQ(companion_list(plan), listed);

  const fs::path out = models.out();
  fs::create_directory(out);
  write_companions(plan, {.version = "9.9.9"}, out, "out");
  for (const std::string& name : wanted) {
    EXPECT_EQ(test::read_file(out / name), test::read_file(models.base() / name)) << name;
  }
  EXPECT_FALSE(fs::exists(out / "stray.txt"));
  EXPECT_FALSE(fs::exists(out / "model.safetensors"));
}

TEST(Companions, LeftOutWithReasons) {
  const test::Models models;
  const std::string zip = "PK\x03\x04rest", pickle = "\x80\x02}q";
  const std::vector<std::string> weights = {"pytorch_model.bin",
                                            "pytorch_model.bin.index.json",
                                            "other.safetensors",
                                            "x.PT",
                                            "optimizer.pth",
                                            "c.ckpt",
                                            "q.gguf",
                                            "tf_model.h5",
                                            "flax_model.msgpack",
                                            "m.onnx",
                                            "rust_model.ot",
                                            "old.safetensors.index.json"};
  for (const std::string& name : weights) test::write_file(models.base() / name, "x");
  test::write_file(models.base() / "zipped.bin", zip);
  test::write_file(models.base() / "training_args.bin", pickle);
  for (const char* name : {"onnx/model.onnx", "openvino/m.xml", "original/params.json",
                           "checkpoint-500/trainer_state.json", ".git/config", ".gitattributes",
                           ".cache/x", "README.md", "merganser_recipe.yml", "mergekit_config.yml",
                           "merganser_provenance.json", "adapter_config.json", "a/.hidden",
                           "merganser_journal", "merganser_factors", "merganser_factors_journal"}) {
    test::write_file(models.base() / name, "x");
  }
  const Companions found = find_companions(models.plan());
  ASSERT_EQ(found.copied.size(), 1u) << found.copied.back().name;
  EXPECT_EQ(found.copied[0].name, "config.json");
  for (const std::string& name : weights) EXPECT_NE(reason(found, name), "") << name;
  EXPECT_THAT(reason(found, "zipped.bin"), HasSubstr("another format"));
  EXPECT_THAT(reason(found, "training_args.bin"), HasSubstr("another format"));
  EXPECT_THAT(reason(found, "onnx/"), HasSubstr("another format"));
  EXPECT_THAT(reason(found, "checkpoint-500/"), HasSubstr("training"));
  EXPECT_EQ(reason(found, ".git/"), "hidden");
  EXPECT_THAT(reason(found, "merganser_factors"), HasSubstr("unfinished"));
  EXPECT_EQ(reason(found, "a/.hidden"), "hidden");
  EXPECT_THAT(reason(found, "README.md"), HasSubstr("card"));
  EXPECT_THAT(reason(found, "mergekit_config.yml"), HasSubstr("earlier merge"));
}

TEST(Companions, LinksAndOtherThings) {
  const test::Models models;
  const fs::path blob = test::write_file(models.folder / "blobs/b", "blob");
  fs::create_symlink("../blobs/b", models.base() / "vocab.txt");
  fs::create_directory_symlink(models.folder.path(), models.base() / "loop");
  fs::create_symlink("nowhere", models.base() / "dangling");
  ASSERT_EQ(::mkfifo((models.base() / "pipe").c_str(), 0600), 0);
  test::write_file(models.base() / "tokenizer.model",
                   "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
  const Plan plan = models.plan();
  const Companions found = find_companions(plan);
  EXPECT_EQ(companion_list(plan),
            (std::vector<std::string>{"config.json", "tokenizer.model", "vocab.txt"}));
  EXPECT_THAT(reason(found, "loop/"), HasSubstr("link to a folder"));
  EXPECT_THAT(found.notes, Contains(HasSubstr("'pipe' is not copied")));
  EXPECT_THAT(found.notes, Contains(HasSubstr("'dangling' is not copied")));
  EXPECT_THAT(found.notes, Contains(HasSubstr("'tokenizer.model' is a Git-LFS pointer")));
  fs::create_directory(models.out());
  write_companions(plan, {}, models.out(), "out");
  EXPECT_FALSE(fs::is_symlink(models.out() / "vocab.txt"));
  EXPECT_EQ(test::read_file(models.out() / "vocab.txt"), "blob");
}

TEST(Companions, InputInsideTheReference) {
  const test::Models models;
  fs::rename(models.tune(), models.base() / "tuned");
  fs::create_directory_symlink(models.base() / "tuned", models.tune());
  const Companions found = find_companions(models.plan());
  EXPECT_THAT(reason(found, "tuned/"), HasSubstr("another input"));
}

TEST(Config, UnchangedIsCopied) {
  const std::string text = "{\"torch_dtype\":\"float32\",   \"big\": 1e30,\n \"a\":[1]}";
  const test::Models models(text);
  fs::create_directory(models.out());
  write_companions(models.plan(), {}, models.out(), "out");
  EXPECT_EQ(test::read_file(models.out() / "config.json"), text);
}

TEST(Config, ChangedKeepsItsOrder) {
  const test::Models models;
  const Plan plan = models.plan("dtype: bfloat16\n");
  EXPECT_THAT(companion_list(plan), Not(Contains("config.json")));
  fs::create_directory(models.out());
  write_companions(plan, {}, models.out(), "out");
  EXPECT_EQ(test::read_file(models.out() / "config.json"),
            "{\n  \"zeta\": 1,\n  \"architectures\": [\n    \"MadeUp\"\n  ],\n"
            "  \"torch_dtype\": \"bfloat16\"\n}\n");
}

TEST(Config, HugeOne) {
  std::string text = "{\"torch_dtype\": \"float32\"";
  for (int i = 0; i < 50'000; ++i) text += ", \"k" + std::to_string(i) + "\": " + std::to_string(i);
  const test::Models models(text + "}");
  fs::create_directory(models.out());
  write_companions(models.plan("dtype: float16\n"), {}, models.out(), "out");
  EXPECT_THAT(test::read_file(models.out() / "config.json"), HasSubstr("\"float16\""));
}

TEST(WriteCompanions, IndexOfShards) {
  const test::Models models;
  for (const fs::path& folder : {models.base(), models.tune()}) {
    test::write_safetensors(folder / "model.safetensors",
                            {{"a", DType::f32, {2}}, {"b", DType::f32, {2}}});
  }
  const Plan plan = models.plan("", {.max_shard = 8});
  fs::create_directory(models.out());
  write_companions(plan, {}, models.out(), "out");
  EXPECT_EQ(test::read_file(models.out() / "model.safetensors.index.json"),
            plan.shards.index_text(plan.outputs()));
}

TEST(WriteCompanions, SingleFileHasProvenanceAlone) {
  const test::Files files;
  const Plan plan = files.plan();
  EXPECT_TRUE(companion_list(plan).empty());
  EXPECT_GT(companion_bytes(plan), 0u);
  fs::create_directory(files.folder / "made");
  write_companions(plan, {.version = "1"}, files.folder / "made", "x.safetensors");
  EXPECT_THAT(test::names_in(files.folder / "made"), ElementsAre("merganser_provenance.json"));
}

}  // namespace
}  // namespace merganser
