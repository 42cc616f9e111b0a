#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"

namespace merganser {
namespace {

using test::complaint;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Text, NearestFindsTyposAndNothingFarther) {
  const std::vector<std::string> known = {"density", "weight", "lambda", "t"};
  EXPECT_EQ(nearest("densty", known), "density");
  EXPECT_EQ(nearest("wieght", known), "weight");
  EXPECT_EQ(nearest("lamda", known), "lambda");
  EXPECT_EQ(nearest("epsilon", known), std::nullopt);
  EXPECT_EQ(nearest("x", known), std::nullopt);
  EXPECT_EQ(nearest("ab", std::vector<std::string>{"xy"}), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'a'), known), std::nullopt);
  EXPECT_EQ(nearest("a", {}), std::nullopt);
}

TEST(Text, SuggestionNamesTheNearestOrAll) {
  const std::vector<std::string> known = {"density", "weight"};
  EXPECT_EQ(suggestion("densty", known), "did you mean 'density'?");
  EXPECT_EQ(suggestion("frobnicate", known), "known here: density, weight");
  EXPECT_EQ(suggestion("x", {}), "none is known here");
}

TEST(Text, GlobMatchesTheWholeText) {
  EXPECT_TRUE(glob_match("*.mlp.*", "model.layers.0.mlp.up"));
  EXPECT_FALSE(glob_match("*.mlp", "model.layers.0.mlp.up"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_TRUE(glob_match("**", ""));
  EXPECT_TRUE(glob_match("a?c", "abc"));
  EXPECT_FALSE(glob_match("a?c", "ac"));
  EXPECT_TRUE(glob_match("\\*", "*"));
  EXPECT_FALSE(glob_match("\\*", "x"));
  EXPECT_TRUE(glob_match("a\\", "a\\"));
}

TEST(Text, GlobClasses) {
  EXPECT_TRUE(glob_match("layer[0-3]", "layer2"));
  EXPECT_FALSE(glob_match("layer[0-3]", "layer4"));
  EXPECT_TRUE(glob_match("[!a]", "b"));
  EXPECT_FALSE(glob_match("[^a]", "a"));
  EXPECT_TRUE(glob_match("[]x]", "]"));
  EXPECT_FALSE(glob_match("[!]x]", "]"));
  EXPECT_TRUE(glob_match("[!]x]", "a"));
  EXPECT_TRUE(glob_match("[a-]", "-"));
  EXPECT_TRUE(glob_match("[ab", "[ab"));  // no class without its end
  EXPECT_TRUE(glob_match("[", "["));
}

TEST(Text, HostileGlobStaysFast) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "a*";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(2000, 'a')));
}

TEST(Text, HumanBytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.00 kB");
  EXPECT_EQ(human_bytes(2'200'000'000), "2.20 GB");
  EXPECT_EQ(human_bytes(9'996), "10.0 kB");
  EXPECT_EQ(human_bytes(999'600), "1.00 MB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "18.4 EB");
}

TEST(Text, ParseBytes) {
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("256MiB"), std::uint64_t{256} << 20);
  EXPECT_EQ(parse_bytes("5GB"), 5'000'000'000u);
  EXPECT_EQ(parse_bytes("5 gb"), 5'000'000'000u);
  EXPECT_EQ(parse_bytes("1.5e9"), 1'500'000'000u);
  EXPECT_EQ(parse_bytes("2Ti"), std::uint64_t{2} << 40);
  EXPECT_EQ(parse_bytes("7B"), 7u);
  EXPECT_EQ(parse_bytes("0.5k"), 500u);
  for (const char* bad :
       {"", "GB", "-1", "nan", "inf", "1e30", "5XB", "5kk", "5GBs", "5Pib", " 5"}) {
    EXPECT_THAT(complaint([&] { parse_bytes(bad); }), HasSubstr("is not a size")) << bad;
  }
}

TEST(Text, PrintableKeepsOneLineAndTheTerminalSafe) {
  EXPECT_EQ(printable("a\nb\tc\r\x1b[31m\x7f"), "a\\nb\\tc\\x0d\\x1b[31m\\x7f");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("größe 層 \xF0\x9F\xA6\x86"), "größe 層 \xF0\x9F\xA6\x86");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "\\xc2\\x9b31m");                               // C1: begins a command
  EXPECT_EQ(printable("\xE2\x80\xAE"), "\\xe2\\x80\\xae");  // turns the line round
  EXPECT_EQ(printable("\xE2\x80\xA8"), "\\xe2\\x80\\xa8");  // line separator
  EXPECT_EQ(printable("\xE2\x81\xA6"), "\\xe2\\x81\\xa6");
}

TEST(Text, PrintableEscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("a\xFFz"), "a\\xffz");
  EXPECT_EQ(printable("\xC3"), "\\xc3");                             // cut short
  EXPECT_EQ(printable("\xC0\xAF"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(printable("\xE5\xB1x"), "\\xe5\\xb1x");
}

TEST(Text, JoinAndSplit) {
  EXPECT_EQ(join(std::vector<std::string>{"a", "b"}, ", "), "a, b");
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_THAT(split("a.b..c", '.'), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(split("", '.'), ElementsAre(""));
}

}  // namespace
}  // namespace merganser
