#include "evaluate/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/testing.h"

namespace merganser::rt {
namespace {

using test::complaint;
using test::TemporaryFolder;
using test::write_file;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kImages(
    "\0\0\x08\x03\0\0\0\2\0\0\0\2\0\0\0\3\x00\x33\xff\x01\x02\x03\x10\x20\x30\x40\x50\x60", 28);
const std::string kLabels("\0\0\x08\x01\0\0\0\2\x07\x01", 10);

std::string packed(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Examples read(const TemporaryFolder& folder, const std::string& images, const std::string& labels) {
  SplitFile split;
  split.file = write_file(folder / "images", images);
  split.labels_file = write_file(folder / "labels", labels);
  Task task;
  task.offset = 0.2;
  task.scale = 0.5;
  return read_idx(task, split);
}

void expect_right(const Examples& examples) {
  EXPECT_THAT(examples.values.sizes(), ElementsAre(2, 1, 2, 3));
  const at::Tensor flat = examples.values.flatten();
  EXPECT_NEAR(flat[0].item<double>(), -0.4, 1e-6);
  EXPECT_NEAR(flat[1].item<double>(), 0, 1e-6);  // 51 / 255 = 0.2
  EXPECT_NEAR(flat[2].item<double>(), 1.6, 1e-6);
  EXPECT_EQ(examples.labels.scalar_type(), at::kLong);
  EXPECT_EQ(examples.labels[0].item<int>(), 7);
  EXPECT_EQ(examples.labels[1].item<int>(), 1);
}

TEST(Idx, PlainAndPackedAndPackedInTwoMembers) {
  const TemporaryFolder folder;
  expect_right(read(folder, kImages, kLabels));
  expect_right(read(folder, packed(kImages), packed(kLabels)));
  expect_right(read(folder, packed(kImages.substr(0, 9)) + packed(kImages.substr(9)), kLabels));
}

TEST(Idx, TooShortAndTooLong) {
  const TemporaryFolder folder;
  const auto short_images = kImages.substr(0, 27);
  EXPECT_THAT(complaint([&] { read(folder, short_images, kLabels); }),
              HasSubstr("images: it ends before the 12 elements"));
  EXPECT_THAT(complaint([&] { read(folder, packed(short_images), kLabels); }),
              HasSubstr("it ends before the 12 elements"));
  EXPECT_THAT(complaint([&] { read(folder, kImages + "x", kLabels); }),
              HasSubstr("bytes follow the 12 elements"));
  EXPECT_THAT(complaint([&] { read(folder, packed(kImages + "x"), kLabels); }),
              HasSubstr("bytes follow the 12 elements"));
  EXPECT_THAT(complaint([&] { read(folder, kImages, kLabels + "x"); }),
              HasSubstr("labels: bytes follow the 2 elements"));
}

TEST(Idx, BrokenGzip) {
  const TemporaryFolder folder;
  std::string whole = packed(kImages);
  EXPECT_THAT(complaint([&] { read(folder, whole.substr(0, whole.size() - 9), kLabels); }),
              HasSubstr("cut short"));
  whole[whole.size() - 6] ^= 1;  // of the checksum
  EXPECT_THAT(complaint([&] { read(folder, whole, kLabels); }), HasSubstr("broken"));
  EXPECT_THAT(complaint([&] { read(folder, packed(kImages) + "trailing", kLabels); }),
              HasSubstr("broken"));
}

TEST(Idx, SizesBeyondTheFileAreRefusedBeforeMemoryIsAskedFor) {
  const TemporaryFolder folder;
  std::string huge = kImages;
  huge[5] = '\x7f';  // 2.1 billion images of 6 pixels would be beyond 2^32; these are 8.3 million
  EXPECT_THAT(complaint([&] { read(folder, huge, kLabels); }), HasSubstr("it ends before the"));
}

TEST(Idx, WhatDoesNotGoTogether) {
  const TemporaryFolder folder;
  EXPECT_THAT(complaint([&] { read(folder, kLabels, kLabels); }),
              HasSubstr("are these the labels?"));
  EXPECT_THAT(complaint([&] { read(folder, kImages, kImages); }),
              HasSubstr("2 images need as many labels"));
  const std::string three("\0\0\x08\x01\0\0\0\3\1\2\3", 11);
  EXPECT_THAT(complaint([&] { read(folder, kImages, three); }),
              HasSubstr("2 images need as many labels"));
  EXPECT_THAT(complaint([&] { read(folder, "", kLabels); }), HasSubstr("no IDX file"));
}

}  // namespace
}  // namespace merganser::rt
