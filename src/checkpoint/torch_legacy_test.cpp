// Archives of the form before PyTorch 1.6: pickles, then the storages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/testing.h"
#include "checkpoint/torch_testing.h"

namespace merganser {
namespace {

using test::bytes_of;
using test::complaint;
using test::little;
using test::TemporaryFolder;
using test::write_file;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
namespace pickled = test::pickled;

struct Parts {
  std::string magic = pickled::whole("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
  std::string protocol = pickled::whole(pickled::number(1001));
  std::string system = pickled::whole(pickled::dict({{"little_endian", "\x88"}}));
  std::string object;
  std::vector<std::string> keys = {"7"};
  std::string storages = little(4, 8) + bytes_of<float>({1, 2, 3, 4});

  std::string text() const {
    std::string list = "](";
    for (const std::string& key : keys) list += pickled::text(key);
    return magic + protocol + system + object + pickled::whole(list + "e") + storages;
  }
};

// ("storage", FloatStorage, key, "cpu", count, view), as the legacy form has it.
std::string storage(const std::string& key, std::int64_t count, const std::string& view = "N") {
  return pickled::tuple({pickled::text("storage"), pickled::global("torch", "FloatStorage"),
                         pickled::text(key), pickled::text("cpu"), pickled::number(count), view}) +
         "Q";
}

std::string tensor(const std::string& of, std::int64_t offset, std::vector<std::int64_t> shape,
                   std::vector<std::int64_t> strides) {
  return pickled::call(
      pickled::global("torch._utils", "_rebuild_tensor"),
      {of, pickled::number(offset), pickled::numbers(shape), pickled::numbers(strides)});
}

Parts square() {
  Parts parts;
  parts.object = pickled::whole(pickled::dict({{"w", tensor(storage("7", 4), 0, {2, 2}, {2, 1})}}));
  return parts;
}

std::string refusal(std::string_view text) {
  const TemporaryFolder folder;
  const auto path = write_file(folder / "m.pth", text);
  return complaint([&] { Checkpoint::open(path); });
}

TEST(LegacyArchive, TensorsAndViewsOfStorages) {
  Parts parts;
  // The last of these is a view of elements 1 and 2 of the storage, which old versions wrote.
  const std::string view =
      pickled::tuple({pickled::text("8"), pickled::number(1), pickled::number(2)});
  parts.object = pickled::whole(pickled::dict({
      {"a", tensor(storage("7", 4), 0, {2, 2}, {1, 2})},
      {"b", tensor(storage("9", 1), 0, {1}, {1})},
      {"c", tensor(storage("7", 4, view), 1, {1}, {1})},
  }));
  parts.keys = {"7", "9"};
  parts.storages += little(1, 8) + bytes_of<float>({9});
  const TemporaryFolder folder;
  const Checkpoint checkpoint = Checkpoint::open(write_file(folder / "m.pth", parts.text()));
  for (const auto& [name, values] :
       std::map<std::string, std::vector<float>>{{"a", {1, 3, 2, 4}}, {"b", {9}}, {"c", {3}}}) {
    std::string bytes(values.size() * 4, '?');
    checkpoint.read(*checkpoint.find(name), 0, std::as_writable_bytes(std::span(bytes)));
    EXPECT_EQ(bytes, bytes_of<float>(values)) << name;
  }
}

TEST(LegacyArchiveRefuses, StartsThatAreNot) {
  EXPECT_EQ(refusal(square().text()), "no error");
  const auto with = [](std::string Parts::*part, const std::string& value) {
    Parts parts = square();
    parts.*part = pickled::whole(value);
    return refusal(parts.text());
  };
  EXPECT_THAT(with(&Parts::magic, pickled::number(5)),
              AllOf(StartsWith("unsupported: "), HasSubstr("magic number is missing")));
  EXPECT_THAT(with(&Parts::protocol, pickled::number(1002)), HasSubstr("an unknown version"));
  EXPECT_THAT(with(&Parts::system, pickled::dict({{"little_endian", "\x89"}})),
              AllOf(StartsWith("unsupported: "), HasSubstr("big-endian")));
}

TEST(LegacyArchiveRefuses, StoragesThatDoNotFit) {
  Parts parts = square();
  parts.keys = {"7", "8"};
  EXPECT_THAT(refusal(parts.text()), HasSubstr("'8' is listed, but nothing uses it"));
  parts.keys = {"7", "7"};
  parts.storages += parts.storages;
  EXPECT_THAT(refusal(parts.text()), HasSubstr("'7' is listed twice"));
  parts.keys = {};
  EXPECT_THAT(refusal(parts.text()),
              HasSubstr("tensor 'w': its storage '7' is not in the archive"));
  parts = square();
  parts.storages = little(5, 8) + std::string(20, 'x');
  EXPECT_THAT(refusal(parts.text()), HasSubstr("should have 4 elements, it says 5"));
  parts.storages = little(~std::uint64_t{0}, 8) + std::string(20, 'x');
  EXPECT_THAT(refusal(parts.text()), HasSubstr("should have 4 elements"));

  // One key, claimed with two sizes of elements.
  parts = square();
  const std::string bytes = pickled::storage({"7", "ByteStorage", 4, 0, {}, {}});
  parts.object = pickled::whole(pickled::dict(
      {{"b", tensor(bytes, 0, {4}, {1})}, {"w", tensor(storage("7", 4), 0, {4}, {1})}}));
  EXPECT_THAT(refusal(parts.text()), HasSubstr("tensor 'w': its storage '7' should have 16 bytes, "
                                               "4 are there"));
}

TEST(LegacyArchiveRefuses, EveryTruncation) {
  const std::string whole = square().text();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal(std::string_view(whole).substr(0, size)), "no error") << size;
  }
}

}  // namespace
}  // namespace merganser
