#include "checkpoint/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/testing.h"
#include "checkpoint/torch_testing.h"

namespace merganser::zip {
namespace {

using test::complaint;
using test::little;
using test::zip_text;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string refusal(std::string_view text) {
  return complaint([&] { read_directory(source_of(text, "a.pt")); });
}

// The text with `bytes` at `at`.
std::string changed(std::string text, std::size_t at, std::string_view bytes) {
  return text.replace(at, bytes.size(), bytes);
}

TEST(Zip, EntriesAsTheyLie) {
  for (const bool zip64 : {true, false}) {
    const std::string text = zip_text({{"a/data.pkl", "pickle"},
                                       {"a/data/0", "12345678", 0, 0x808, "FB\x04\0ZZZZ"},
                                       {"a/data/1", ""},
                                       {"a/plain", "x", 0, 0}},
                                      zip64);
    const Directory directory = read_directory(source_of(text, "a.pt"));
    EXPECT_EQ(directory.entries.size(), 4u);
    for (const auto& [name, data] : std::map<std::string, std::string>{{"a/data.pkl", "pickle"},
                                                                       {"a/data/0", "12345678"},
                                                                       {"a/data/1", ""},
                                                                       {"a/plain", "x"}}) {
      const Entry* entry = directory.find(name);
      ASSERT_NE(entry, nullptr) << name;
      EXPECT_EQ(text.substr(entry->begin, entry->size), data);
    }
    EXPECT_EQ(directory.find("a/data/2"), nullptr);
  }
}

TEST(Zip, ACommentAtTheEnd) {
  std::string text = zip_text({{"a/x", "1"}});
  text.replace(text.size() - 2, 2, little(5, 2) + "hello");
  EXPECT_EQ(read_directory(source_of(text, "a.pt")).entries.size(), 1u);
}

// The checksum of an entry is not compared (zip.h); torch.save may leave it out too.
TEST(Zip, ChecksumsAreNotCompared) {
  const std::string text = zip_text({{"a/x", "data"}});
  const std::size_t central = text.find("PK\x01\x02");
  EXPECT_EQ(refusal(changed(text, central + 16, "\xff\xff\xff\xff")), "no error");
}

TEST(Zip, SizesBeyond32Bits) {
  // In the extra field 1 of the directory: the sizes of an entry, as of more than 4 GiB.
  std::string text = zip_text({{"a/x", "data"}});
  const std::size_t central = text.find("PK\x01\x02"), end = text.find("PK\x06\x06");
  const std::string extra = little(1, 2) + little(16, 2) + little(4, 8) + little(4, 8);
  text = changed(text, central + 20, std::string(8, '\xff'));
  text = changed(text, central + 30, little(extra.size(), 2));
  text.insert(end, extra);
  text = changed(text, end + extra.size() + 40, little(end + extra.size() - central, 8));
  text = changed(text, text.size() - 22 - 20 + 8, little(end + extra.size(), 8));
  const Directory directory = read_directory(source_of(text, "a.pt"));
  EXPECT_EQ(directory.entries[0].size, 4u);
  EXPECT_THAT(refusal(changed(text, central + 30 + 16 + 3, little(7, 2))),  // another extra field
              HasSubstr("the sizes of 'a/x' are missing"));
}

TEST(ZipRefuses, WhatPyTorchDoesNotWrite) {
  const std::string packed = zip_text({{"a/w", "1"}, {"a/x", "1", 8}});
  const Directory directory = read_directory(source_of(packed, "a.pt"));
  EXPECT_TRUE(directory.find("a/w")->stored);
  EXPECT_FALSE(directory.find("a/x")->stored);
  EXPECT_THAT(complaint([&] { refuse_compressed(directory, source_of(packed, "a.pt")); }),
              AllOf(StartsWith("unsupported: "), HasSubstr("the entry 'a/x' is compressed"),
                    HasSubstr("a.pt")));
  EXPECT_THAT(refusal(zip_text({{"a/x", "1", 0, 0x809}})), HasSubstr("'a/x' is encrypted"));
  EXPECT_THAT(refusal(changed(zip_text({{"a/x", "1"}}, false),
                              zip_text({{"a/x", "1"}}, false).size() - 18, "\1")),
              HasSubstr("several parts"));
}

TEST(ZipRefuses, NamesThatAreNotPlain) {
  for (const char* name : {"../x", "a/../x", "/x", "a\\x", "a\nx", "", "a/.."}) {
    EXPECT_THAT(refusal(zip_text({{name, "1"}})),
                AllOf(StartsWith("corrupt: "), HasSubstr("no plain name")))
        << name;
  }
  EXPECT_THAT(refusal(zip_text({{"a/x", "1"}, {"a/x", "2"}})), HasSubstr("'a/x' is there twice"));
}

TEST(ZipRefuses, EntriesOverEachOther) {
  const std::string text = zip_text({{"a/x", "1234"}, {"a/y", "1234"}});
  const std::size_t second = text.find("PK\x01\x02", text.find("PK\x01\x02") + 4);
  // The second entry is the first one's: the headers must agree, so its name is the first's too.
  std::string both = changed(text, second + 42, little(0, 4));
  EXPECT_THAT(refusal(both), HasSubstr("the header of the entry 'a/y' contradicts the directory"));
  both = changed(both, second + 46, "a/x");
  EXPECT_THAT(refusal(both), HasSubstr("begins at byte 0, inside of another one"));

  // A file within the data of another one.
  std::string inner = zip_text({{"a/y", "1234"}});
  inner = inner.substr(0, inner.find("PK\x01\x02"));
  std::string nested = zip_text({{"a/x", inner}, {"a/y", "1234"}});
  const std::size_t last = nested.find("PK\x01\x02", nested.rfind("a/x"));
  nested = changed(nested, last + 42, little(33, 4));
  EXPECT_THAT(refusal(nested), HasSubstr("'a/y' begins at byte 33, inside of another one"));
}

TEST(ZipRefuses, NumbersThatLie) {
  const std::string text = zip_text({{"a/x", "1234"}});
  const std::size_t central = text.find("PK\x01\x02"), big = text.find("PK\x06\x06"),
                    locator = text.find("PK\x06\x07");
  const auto with = [&](std::size_t at, std::string_view bytes) {
    return refusal(changed(text, at, bytes));
  };
  const std::string most(8, '\xff');
  EXPECT_THAT(with(central + 24, little(5, 4)), HasSubstr("its sizes are 4 and 5"));
  EXPECT_THAT(with(central + 20, little(0x7fffffff7fffffff, 8)), HasSubstr("reach beyond byte"));
  EXPECT_THAT(with(central + 42, little(0x7fffffff, 4)), HasSubstr("lies outside of the file"));
  EXPECT_THAT(with(central + 28, little(60000, 2)), HasSubstr("entry 0 of its directory is cut"));
  EXPECT_THAT(with(central, "XX"), HasSubstr("entry 0 of its directory is broken"));
  EXPECT_THAT(with(big + 24, most + most), HasSubstr("are read"));
  EXPECT_THAT(with(big + 32, little(2, 8)), HasSubstr("cannot hold 2 entries"));
  EXPECT_THAT(with(big + 40, most), HasSubstr("lies outside of the file"));
  EXPECT_THAT(with(big + 48, most), HasSubstr("lies outside of the file"));
  EXPECT_THAT(with(big, "XX"), HasSubstr("is not where it should be"));
  EXPECT_THAT(with(locator + 8, most), HasSubstr("ZIP64 record lies outside"));
  EXPECT_THAT(with(28, little(60000, 2)), HasSubstr("reach beyond byte"));  // the local extra field
  EXPECT_THAT(with(18, little(3, 4)), HasSubstr("contradicts the directory"));
}

TEST(ZipRefuses, EveryTruncation) {
  const std::string text = zip_text({{"a/x", "1234"}, {"a/y", "56"}});
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_THAT(refusal(std::string_view(text).substr(0, size)), StartsWith("corrupt: ")) << size;
  }
}

}  // namespace
}  // namespace merganser::zip
