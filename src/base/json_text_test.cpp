#include "base/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/testing.h"

namespace merganser {
namespace {

using test::complaint;
using test::error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string complaint_of(std::string_view text, const JsonOptions& options = {}) {
  return complaint([&] { parse_json(text, "f.json", options); });
}

TEST(JsonText, SameAsTheLibrarysOwnParser) {
  for (const char* text : {"null", "true", "-3", "18446744073709551615", "1.5e-3", R"("x\u00e9\n")",
                           "[]", "{}", R"([1, [2, [3, {}]], {"a": []}])",
                           R"({"z": 1, "a": {"y": [1, 2], "b": null}, "m": "x"})"}) {
    EXPECT_EQ(parse_json(text, "f").dump(), Json::parse(text).dump());
  }
}

TEST(JsonText, KeysKeepTheirOrder) {
  EXPECT_EQ(parse_json(R"({"z":1,"a":2,"m":3})", "f").dump(), R"({"z":1,"a":2,"m":3})");
}

TEST(JsonText, RepeatedKeys) {
  const char* text = R"({"a":1,"b":{"k":1,"k":2},"c":3})";
  EXPECT_EQ(complaint_of(text), "corrupt: f.json: key 'k' occurs twice in one object");
  EXPECT_EQ(parse_json(R"({"a":1,"b":[2],"a":{"c":4}})", "f", {.allow_repeats = true}).dump(),
            R"({"a":{"c":4},"b":[2]})");
  // The same key in different objects is no repeat.
  EXPECT_EQ(complaint_of(R"([{"a":1},{"a":{"a":2}}])"), "no error");
}

TEST(JsonText, ErrorsHaveAPlace) {
  const auto error = error_of([] { parse_json("{\n  \"a\": 1,\n  \"b\": x}", "f.json"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::corrupt);
  EXPECT_EQ(error->line(), 3u);
  EXPECT_EQ(error->column(), 8u);
  EXPECT_THAT(error->what(), AllOf(HasSubstr("f.json:3:8: not valid JSON (byte 20)"),
                                   HasSubstr("invalid literal"), Not(HasSubstr("json.exception"))));
  EXPECT_THAT(complaint_of(""), HasSubstr("f.json:1:1: not valid JSON (byte 1): unexpected end"));
  EXPECT_THAT(complaint_of("{} {}"), HasSubstr("expected end of input"));
  EXPECT_THAT(complaint_of("[1,]"), HasSubstr("not valid JSON"));
  EXPECT_THAT(complaint_of("1e999"), HasSubstr("not valid JSON"));
  EXPECT_THAT(complaint_of("\"\xff\""), HasSubstr("not valid JSON"));
}

TEST(JsonText, LongTokensAreNotQuotedWhole) {
  EXPECT_LT(complaint_of("\"" + std::string(1'000'000, 'x')).size(), 400u);
}

TEST(JsonText, DepthIsBounded) {
  const std::string open(1'000'000, '['), mixed = R"({"a":)";
  EXPECT_EQ(complaint_of(open), "corrupt: f.json: JSON is nested more than 256 levels deep");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += mixed;
  EXPECT_THAT(complaint_of(objects), HasSubstr("nested more than 256"));
  const std::string allowed = std::string(256, '[') + std::string(256, ']');
  EXPECT_EQ(complaint_of(allowed), "no error");
  EXPECT_THAT(complaint_of("[[[]]]", {.depth = 2}), HasSubstr("more than 2 levels"));
}

TEST(JsonText, WideObjectsTakeLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"key" + std::to_string(i) + "\":0,";
  text.back() = '}';
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_json(text, "f").size(), 200'000u);
  // ordered_json's own insertion takes minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

}  // namespace
}  // namespace merganser
