#include "checkpoint/torch_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"
#include "checkpoint/torch_testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using test::archive_text;
using test::bytes_of;
using test::complaint;
using test::TemporaryFolder;
using test::write_file;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
namespace pickled = test::pickled;

std::string read_whole(const Checkpoint& checkpoint, std::string_view name) {
  const StoredTensor* tensor = checkpoint.find(name);
  if (tensor == nullptr) return "absent";
  std::string bytes(tensor->info.bytes(), '?');
  checkpoint.read(*tensor, 0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::string refusal(std::string_view text) {
  const TemporaryFolder folder;
  const fs::path path = write_file(folder / "m.bin", text);
  return complaint([&] { Checkpoint::open(path); });
}

// Of one tensor "w", in a dict, over one storage "0" of these numbers.
std::string refusal_of(const pickled::View& view, const std::vector<float>& data) {
  return refusal(archive_text(pickled::whole(pickled::dict({{"w", pickled::tensor(view)}})),
                              {{"0", bytes_of<float>(data)}}));
}

const pickled::View kSquare = {"0", "FloatStorage", 4, 0, {2, 2}, {2, 1}};

std::string square_archive(const std::string& pickle) {
  return archive_text(pickle, {{"0", bytes_of<float>({1, 2, 3, 4})}});
}

TEST(TorchArchive, Views) {
  const TemporaryFolder folder;
  const std::string pickle = pickled::whole(pickled::dict({
      {"whole", pickled::tensor(kSquare)},
      {"transposed", pickled::tensor({"0", "FloatStorage", 4, 0, {2, 2}, {1, 2}})},
      {"column", pickled::tensor({"0", "FloatStorage", 4, 1, {2}, {2}})},
      {"repeated", pickled::tensor({"0", "FloatStorage", 4, 3, {3}, {0}})},
      {"scalar", pickled::tensor({"0", "FloatStorage", 4, 2, {}, {}})},
      {"empty", pickled::tensor({"0", "FloatStorage", 4, 4, {0, 2}, {2, 1}})},
      {"bytes", pickled::tensor({"1", "ByteStorage", 2, 0, {2}, {1}})},
  }));
  const fs::path path =
      write_file(folder / "m.anything",
                 archive_text(pickle, {{"0", bytes_of<float>({1, 2, 3, 4})}, {"1", "xy"}}));
  const Checkpoint checkpoint = Checkpoint::open(path);
  EXPECT_TRUE(checkpoint.single_file());
  EXPECT_EQ(read_whole(checkpoint, "whole"), bytes_of<float>({1, 2, 3, 4}));
  EXPECT_EQ(read_whole(checkpoint, "transposed"), bytes_of<float>({1, 3, 2, 4}));
  EXPECT_EQ(read_whole(checkpoint, "column"), bytes_of<float>({2, 4}));
  EXPECT_EQ(read_whole(checkpoint, "repeated"), bytes_of<float>({4, 4, 4}));
  EXPECT_EQ(read_whole(checkpoint, "scalar"), bytes_of<float>({3}));
  EXPECT_EQ(read_whole(checkpoint, "empty"), "");
  EXPECT_EQ(read_whole(checkpoint, "bytes"), "xy");
  EXPECT_THAT(checkpoint.find("whole")->strides, ElementsAre());
  EXPECT_THAT(checkpoint.find("transposed")->strides, ElementsAre(1, 2));
}

TEST(TorchArchive, TheContentCountsNotTheName) {
  const TemporaryFolder folder;
  const fs::path tensors = test::write_safetensors(folder / "m.pt", {{"x", DType::u8, {1}, "1"}});
  EXPECT_EQ(read_whole(Checkpoint::open(tensors), "x"), "1");
  write_file(folder / "named" / "model.safetensors",
             square_archive(pickled::whole(pickled::dict({{"w", pickled::tensor(kSquare)}}))));
  const Checkpoint checkpoint = Checkpoint::open(folder / "named");
  EXPECT_EQ(read_whole(checkpoint, "w"), bytes_of<float>({1, 2, 3, 4}));
}

TEST(TorchArchive, EntriesThatAreNoTensorsAreLeftOutWithANote) {
  const TemporaryFolder folder;
  const fs::path path = write_file(
      folder / "m.ckpt",
      square_archive(pickled::whole(pickled::dict(
          {{"epoch", pickled::number(3)},
           {"run", pickled::call(pickled::global("os", "system"), {pickled::text("touch x")})},
           {"state_dict", pickled::dict({{"w", pickled::tensor(kSquare)}, {"n", "N"}})}}))));
  const Checkpoint checkpoint = Checkpoint::open(path);
  EXPECT_EQ(checkpoint.tensors().size(), 1u);
  EXPECT_THAT(checkpoint.notes(),
              ElementsAre("m.ckpt: the weights are those under 'state_dict'; left out beside them: "
                          "epoch (a number), run (an object of os.system)",
                          "m.ckpt: 1 entries are no tensors, left out: n (None)"));
}

TEST(TorchArchive, NotesAreTextWhateverTheNames) {
  const TemporaryFolder folder;
  const std::string name = "\x1b[31m\xff\n";
  const std::string object = pickled::text(name) + pickled::text(name) + "\x93)R";
  const fs::path path = write_file(
      folder / "m.pt", square_archive(pickled::whole(
                           pickled::dict({{"w", pickled::tensor(kSquare)}, {name, object}}))));
  EXPECT_THAT(Checkpoint::open(path).notes(),
              ElementsAre("m.pt: 1 entries are no tensors, left out: \\x1b[31m\\xff\\n (an object "
                          "of \\x1b[31m\\xff\\n.\\x1b[31m\\xff\\n)"));
}

TEST(TorchArchiveRefuses, ViewsBeyondTheirStorage) {
  const std::vector<float> data = {1, 2, 3, 4};
  EXPECT_EQ(refusal_of(kSquare, data), "no error");
  const auto view = [](std::int64_t offset, std::vector<std::int64_t> shape,
                       std::vector<std::int64_t> strides) {
    return pickled::View{"0", "FloatStorage", 4, offset, std::move(shape), std::move(strides)};
  };
  EXPECT_THAT(refusal_of(view(1, {2, 2}, {2, 1}), data),
              AllOf(StartsWith("corrupt: "), HasSubstr("m.bin: tensor 'w'"),
                    HasSubstr("reaches beyond its storage of 4 elements")));
  constexpr std::int64_t huge = std::int64_t{1} << 58;
  for (const auto& bad : {view(4, {}, {}), view(0, {5}, {1}), view(0, {2}, {4}),
                          view(0, {2, 2}, {3, 1}), view(huge, {1}, {1}), view(0, {2}, {huge}),
                          view(0, {3, 3}, {huge, huge}), view(0, {2, 2, 2}, {2, 1, 1})}) {
    EXPECT_THAT(refusal_of(bad, data), HasSubstr("reaches beyond"));
  }
  EXPECT_THAT(refusal_of(view(-1, {1}, {1}), data), HasSubstr("its offset is negative: -1"));
  EXPECT_THAT(refusal_of(view(3, {2}, {-1}), data), HasSubstr("its stride is negative: -1"));
  EXPECT_THAT(refusal_of(view(0, {-2}, {1}), data), HasSubstr("its dimension is negative: -2"));
  EXPECT_THAT(refusal_of(view(0, {2}, {1, 1}), data), HasSubstr("shape [2] has 2 strides"));
  EXPECT_THAT(refusal_of(view(0, {huge, huge}, {0, 0}), data), HasSubstr("overflows"));
  EXPECT_THAT(refusal_of(view(0, {std::int64_t{1} << 40}, {0}), data),
              AllOf(StartsWith("unsupported: "), HasSubstr("repeats the 16 stored ones")));
}

TEST(TorchArchiveRefuses, StoragesThatAreNotThere) {
  const std::vector<float> data = {1, 2, 3, 4};
  EXPECT_THAT(refusal_of({"../data/0", "FloatStorage", 4, 0, {4}, {1}}, data),
              HasSubstr("its storage '../data/0' is not in the archive"));
  EXPECT_THAT(refusal_of({"0", "FloatStorage", 5, 0, {4}, {1}}, data),
              HasSubstr("its storage '0' should have 20 bytes, 16 are there"));
  EXPECT_THAT(refusal_of({"0", "DoubleStorage", 4, 0, {4}, {1}}, data), HasSubstr("32 bytes, 16"));
  EXPECT_THAT(refusal_of({"0", "FloatStorage", -1, 0, {4}, {1}}, data), HasSubstr("its storage"));
  EXPECT_THAT(refusal_of({"0", "ComplexFloatStorage", 2, 0, {2}, {1}}, data),
              AllOf(StartsWith("unsupported: "), HasSubstr("element type 'complex64'")));
  EXPECT_THAT(refusal_of({"0", "NoStorage", 4, 0, {4}, {1}}, data), HasSubstr("its storage"));
}

TEST(TorchArchiveRefuses, WhatIsNoStateDict) {
  const auto with = [](const std::string& value) {
    return refusal(square_archive(pickled::whole(value)));
  };
  EXPECT_THAT(with(pickled::tensor(kSquare)), HasSubstr("one tensor without a name"));
  EXPECT_THAT(with("]" + pickled::tensor(kSquare) + "a"), HasSubstr("holds a list, not a state"));
  EXPECT_THAT(with(pickled::call(pickled::global("nets", "Net"), {})),
              AllOf(HasSubstr("an object of nets.Net"), HasSubstr("model.state_dict()")));
  EXPECT_THAT(with("}"), HasSubstr("an empty dict"));
  EXPECT_THAT(with(pickled::dict({{"a", "N"}, {"b", pickled::text("x")}})),
              HasSubstr("no dict of the archive holds tensors; it has a (None), b (text)"));
  const std::string weights = pickled::dict({{"w", pickled::tensor(kSquare)}});
  EXPECT_EQ(with(pickled::dict({{"generator", weights}, {"epoch", "N"}})), "no error");
  EXPECT_EQ(with(pickled::dict({{"generator", weights}, {"params", weights}})), "no error");
  EXPECT_THAT(with(pickled::dict({{"generator", weights}, {"discriminator", weights}})),
              HasSubstr("several dicts of the archive hold tensors: generator, discriminator"));
  EXPECT_THAT(with("}" + pickled::number(3) + pickled::tensor(kSquare) + "s"),
              HasSubstr("under a number, not under a name"));
  EXPECT_THAT(with(pickled::dict({{"", pickled::tensor(kSquare)}})), HasSubstr("an empty name"));
  EXPECT_THAT(with(pickled::dict({{"\xff", pickled::tensor(kSquare)}})), HasSubstr("UTF-8"));
}

TEST(TorchArchiveRefuses, TensorsThatAreNoPlainNumbers) {
  const auto with = [](const std::string& function) {
    const std::string value = pickled::call(pickled::global("torch._utils", function), {"N"});
    return refusal(square_archive(pickled::whole(pickled::dict({{"w", value}}))));
  };
  EXPECT_THAT(with("_rebuild_sparse_tensor"),
              AllOf(StartsWith("unsupported: "), HasSubstr("tensor 'w': a sparse tensor")));
  EXPECT_THAT(with("_rebuild_qtensor"), HasSubstr("a quantised tensor"));
  EXPECT_THAT(with("_rebuild_meta_tensor_no_storage"), HasSubstr("a meta tensor"));
  EXPECT_THAT(with("_rebuild_nested_tensor"), HasSubstr("a nested tensor"));
  EXPECT_THAT(with("_rebuild_from_the_future"), HasSubstr("of an unknown kind"));
  EXPECT_THAT(with("_rebuild_tensor_v2"), HasSubstr("with 1 arguments"));
  EXPECT_THAT(with("_rebuild_parameter"), HasSubstr("_rebuild_parameter of no tensor"));
}

TEST(TorchArchiveRefuses, OtherZipFilesAndPickles) {
  EXPECT_THAT(refusal("PK\x03\x04" + std::string(100, '\x01')),
              AllOf(StartsWith("corrupt: "), HasSubstr("zip archive: it has no directory")));
  EXPECT_THAT(refusal("\x80\x02}q\x01." + std::string(100, '\x01')),
              AllOf(StartsWith("unsupported: "), HasSubstr("a pickle, but no PyTorch archive")));
  EXPECT_THAT(refusal(test::zip_text({{"a/readme", "x"}})),
              HasSubstr("a zip file, but no PyTorch archive"));
  EXPECT_THAT(refusal(test::zip_text({{"a/data.pkl", "N."}, {"a/constants.pkl", "N."}})),
              HasSubstr("a TorchScript program"));
  EXPECT_THAT(refusal(test::zip_text({{"a/data.pkl", "N."}, {"b/data.pkl", "N."}})),
              HasSubstr("two pickles"));
  EXPECT_THAT(refusal(archive_text("N.", {}, "big")), HasSubstr("big-endian"));
  EXPECT_THAT(refusal(archive_text("N.", {}, "middle")), HasSubstr("neither little nor big"));
}

TEST(TorchArchive, EveryTruncationIsRefused) {
  const std::string whole =
      square_archive(pickled::whole(pickled::dict({{"w", pickled::tensor(kSquare)}})));
  EXPECT_EQ(refusal(whole), "no error");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal(std::string_view(whole).substr(0, size)), "no error") << size;
  }
}

}  // namespace
}  // namespace merganser
