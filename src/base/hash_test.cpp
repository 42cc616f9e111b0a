#include "base/hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/testing.h"

namespace merganser {
namespace {

std::string hash_of(HashKind kind, std::string_view text, std::size_t step = SIZE_MAX) {
  const auto hasher = Hasher::make(kind);
  while (!text.empty()) {
    const std::string_view part = text.substr(0, step);
    hasher->update(std::as_bytes(std::span(part)));
    text.remove_prefix(part.size());
  }
  return hasher->finish();
}

// As `xxhsum -H2` and `sha256sum` print them.
TEST(Hash, KnownAnswers) {
  EXPECT_EQ(hash_of(HashKind::xxh3, ""), "xxh3:99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_of(HashKind::xxh3, "abc"), "xxh3:06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(hash_of(HashKind::sha256, ""),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of(HashKind::sha256, "abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, StepsDoNotMatter) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7919 >> 3);
  for (const HashKind kind : {HashKind::xxh3, HashKind::sha256}) {
    const std::string whole = hash_of(kind, text);
    for (const std::size_t step : {1, 7, 64, 1024}) EXPECT_EQ(hash_of(kind, text, step), whole);
  }
}

// Part of the documented random streams: never to change.
TEST(Hash, Hash64IsXxh3OfTheText) {
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2u);
  EXPECT_EQ(hash64("abc"), 0x78af5f94892f3950u);
}

TEST(Hash, Kinds) {
  EXPECT_EQ(Hasher::make(HashKind::none), nullptr);
  for (const HashKind kind : {HashKind::none, HashKind::xxh3, HashKind::sha256}) {
    EXPECT_EQ(parse_hash_kind(name_of(kind)), kind);
  }
  EXPECT_THAT(test::complaint([] { parse_hash_kind("md5"); }),
              testing::HasSubstr("usage: hash 'md5' is unknown; known: none, xxh3, sha256"));
}

}  // namespace
}  // namespace merganser
