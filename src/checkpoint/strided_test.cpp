#include "checkpoint/strided.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

namespace merganser::strided {
namespace {

// A file of bytes that counts what is read of it.
struct Disk {
  std::string bytes;
  std::atomic<std::uint64_t> reads{0}, amount{0}, largest{0};

  ReadAt reader() {
    return [this](std::uint64_t offset, std::span<std::byte> out) {
      ASSERT_LE(offset + out.size(), bytes.size());
      std::memcpy(out.data(), bytes.data() + offset, out.size());
      ++reads;
      amount += out.size();
      if (out.size() > largest) largest = out.size();
    };
  }
};

// Element by element, straight from the definition of strides.
std::string expected(const std::string& bytes, const TensorInfo& info,
                     const std::vector<std::uint64_t>& strides) {
  const std::size_t size = size_of(info.dtype);
  std::string out;
  for (std::uint64_t i = 0; i < info.size(); ++i) {
    std::uint64_t rest = i, at = 0;
    for (std::size_t axis = info.shape.size(); axis-- > 0;) {
      at += rest % info.shape[axis] * strides[axis];
      rest /= info.shape[axis];
    }
    out += bytes.substr(at * size, size);
  }
  return out;
}

std::uint64_t span_of(const TensorInfo& info, const std::vector<std::uint64_t>& strides) {
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < info.shape.size(); ++i) last += (info.shape[i] - 1) * strides[i];
  return (last + 1) * size_of(info.dtype);
}

std::string random_bytes(std::size_t size, std::mt19937& random) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST(Gather, AnyViewAndAnyPieceOfIt) {
  std::mt19937 random(1);
  const DType dtypes[] = {DType::u8, DType::f16, DType::f32, DType::i64};
  for (int round = 0; round < 2000; ++round) {
    TensorInfo info{"w", dtypes[random() % 4], {}};
    std::vector<std::uint64_t> strides;
    for (std::size_t axes = random() % 5; axes > 0; --axes) {
      info.shape.push_back(1 + random() % 6);
      strides.push_back(random() % 4 == 0 ? 0 : 1 + random() % 40);
    }
    Disk disk{random_bytes(span_of(info, strides), random)};
    const std::string whole = expected(disk.bytes, info, strides);
    const std::size_t begin = random() % whole.size();
    std::string piece(1 + random() % (whole.size() - begin), '?');
    gather(info, strides, begin, std::as_writable_bytes(std::span(piece)), disk.reader());
    ASSERT_EQ(piece, whole.substr(begin, piece.size()))
        << to_string(info.shape) << to_string(strides) << begin;
  }
}

struct Case {
  Shape shape;
  std::vector<std::uint64_t> strides;
  std::uint64_t most_reads, most_bytes;
};

// Large enough for windows to be cut; the numbers of reads are what the layout calls for.
TEST(Gather, ReadsInPiecesOfABoundedSize) {
  std::mt19937 random(2);
  const Case cases[] = {
      {{1000, 900}, {1, 1000}, 4, 3'700'000},          // transposed: four windows of 1 MiB
      {{900, 800}, {1000, 1}, 4, 3'700'000},           // columns left out: with the gaps
      {{40, 9000}, {20'000, 1}, 40, 40 * 9000 * 4},    // gaps worth leaving out: row by row
      {{3, 500, 600}, {0, 600, 1}, 2, 1'300'000},      // repeated: read once
      {{600, 500, 3}, {1, 600, 0}, 2, 1'300'000},      // transposed and repeated
      {{500, 2000}, {1, 4000}, 2000, 2000 * 500 * 4},  // wide gaps: the runs alone
      {{2'000'000}, {2}, 16, 16'100'000},              // every other element
  };
  for (const Case& c : cases) {
    const TensorInfo info{"w", DType::f32, c.shape};
    Disk disk{random_bytes(span_of(info, c.strides), random)};
    std::string whole(info.bytes(), '?');
    gather(info, c.strides, 0, std::as_writable_bytes(std::span(whole)), disk.reader());
    EXPECT_EQ(whole, expected(disk.bytes, info, c.strides)) << to_string(c.shape);
    EXPECT_LE(disk.reads, c.most_reads) << to_string(c.shape);
    EXPECT_LE(disk.amount, c.most_bytes) << to_string(c.shape);
    EXPECT_LE(disk.largest, info.bytes() > (1 << 20) ? std::uint64_t{1} << 20 : info.bytes());
  }
}

// Row after row of a wide transposed matrix, as a merge reads it.
TEST(Bands, PieceByPieceCostsNoReadAnElement) {
  std::mt19937 random(3);
  const TensorInfo info{"w", DType::f32, {3000, 1000}};  // 12 MB: two bands
  const std::vector<std::uint64_t> strides = {1, 3000};
  Disk disk{random_bytes(span_of(info, strides), random)};
  const std::string whole = expected(disk.bytes, info, strides);
  Bands bands;
  std::string got(whole.size(), '?');
  const std::size_t step = 10'007;  // not a multiple of anything
  const auto reader = disk.reader();
  for (std::size_t begin = 0; begin < got.size(); begin += step) {
    bands.read(info, strides, begin,
               std::as_writable_bytes(
                   std::span(got).subspan(begin).first(std::min(step, got.size() - begin))),
               reader);
  }
  EXPECT_EQ(got, whole);
  EXPECT_LE(disk.reads, 3100u);  // for each band a read a column, and one for each end of it
}

TEST(Bands, ManyThreads) {
  std::mt19937 random(4);
  const TensorInfo a{"a", DType::f16, {2500, 2000}}, b{"b", DType::f16, {2000, 2500}};
  const std::vector<std::uint64_t> of_a = {1, 2500}, of_b = {1, 2000};
  Disk disk{random_bytes(span_of(a, of_a), random)};
  const std::string whole_a = expected(disk.bytes, a, of_a);
  const std::string whole_b = expected(disk.bytes, b, of_b);
  Bands bands;
  std::atomic<int> wrong{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 places(seed);
    const auto reader = disk.reader();
    for (int i = 0; i < 50; ++i) {
      const bool first = i % 2 == 0;
      const std::size_t begin = places() % (whole_a.size() - 5000);
      std::string piece(5000, '?');
      bands.read(first ? a : b, first ? of_a : of_b, begin,
                 std::as_writable_bytes(std::span(piece)), reader);
      wrong += piece != (first ? whole_a : whole_b).substr(begin, piece.size());
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace merganser::strided
