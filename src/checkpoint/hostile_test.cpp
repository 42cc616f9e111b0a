// Property: whatever is done to a valid file, it opens or is refused with an Error.
#include <gtest/gtest.h>

#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"

namespace merganser {
namespace {

using test::TemporaryFolder;
using test::write_file;

class Hostile : public testing::Test {
 protected:
  Hostile() {
    test::write_safetensors(folder_ / "f.safetensors", {{"a.weight", DType::f32, {3, 2}},
                                                        {"empty", DType::bf16, {0}},
                                                        {"scalar", DType::f64, {}},
                                                        {"b.weight", DType::f16, {5}}});
    text_ = test::read_file(folder_ / "f.safetensors");
  }

  // Opens and, if that went well, reads every byte.
  bool opens(std::string_view text) {
    const auto path = write_file(folder_ / "f.safetensors", text);
    try {
      const Checkpoint checkpoint = Checkpoint::open(path);
      for (const StoredTensor& tensor : checkpoint.tensors()) {
        std::vector<std::byte> data(tensor.info.bytes());
        checkpoint.read(tensor, 0, data);
      }
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
      EXPECT_LT(std::string_view(error.what()).size(), 2000u);
      return false;
    }
  }

  TemporaryFolder folder_;
  std::string text_;
};

TEST_F(Hostile, EveryTruncationIsRefused) {
  EXPECT_TRUE(opens(text_));
  for (std::size_t size = 0; size < text_.size(); ++size) {
    EXPECT_FALSE(opens(std::string_view(text_).substr(0, size))) << size;
  }
  EXPECT_FALSE(opens(text_ + "x"));
}

TEST_F(Hostile, BytesChangedAtRandom) {
  std::mt19937 random(1);
  const std::size_t header = text_.find('}', text_.rfind("data_offsets")) + 2;
  int opened = 0;
  for (int round = 0; round < 1'500; ++round) {
    std::string text = text_;
    const unsigned changes = 1 + random() % 4;
    for (unsigned i = 0; i < changes; ++i) {
      // Digits and punctuation as often as any byte: they get further.
      static constexpr std::string_view likely = "0123456789{}[]\",:-.e";
      text[random() % header] =
          random() % 2 == 0 ? static_cast<char>(random()) : likely[random() % likely.size()];
    }
    opened += opens(text);
  }
  EXPECT_GT(opened, 0);  // changed letters of names
}

TEST_F(Hostile, PartsRepeatedAndCutOut) {
  std::mt19937 random(2);
  for (int round = 0; round < 1'000; ++round) {
    std::string text = text_;
    const std::size_t from = 8 + random() % (text.size() - 8);
    const std::size_t size = 1 + random() % 40;
    if (random() % 2 == 0) {
      text.erase(from, size);
    } else {
      text.insert(8 + random() % (text.size() - 8), text_.substr(from, size));
    }
    if (random() % 2 == 0) {  // a length that fits again, so that the JSON is what is wrong
      const std::uint64_t length = text.rfind('}') == text.npos ? 0 : text.rfind('}') + 1 - 8;
      for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>(length >> (8 * i) & 0xff);
    }
    opens(text);
  }
}

}  // namespace
}  // namespace merganser
