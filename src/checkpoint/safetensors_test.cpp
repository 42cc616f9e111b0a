#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/testing.h"

namespace merganser::safetensors {
namespace {

using test::bytes_of;
using test::complaint;
using test::safetensors_text;
using test::TemporaryFolder;
using test::write_file;
using test::write_safetensors;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// Of a file with this header and so many bytes of data.
std::string refusal(std::string_view json, std::uint64_t data = 8) {
  return complaint([&] { parse_header(json, 8 + json.size() + data, "f.st"); });
}

std::string refusal_of_file(std::string_view bytes) {
  const TemporaryFolder folder;
  const InputFile file(write_file(folder / "f.safetensors", bytes));
  return complaint([&] { read_header(file); });
}

std::string entry(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return R"({"w":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) +
         R"(,"data_offsets":)" + std::string(offsets) + "}}";
}

TEST(Header, RoundTrip) {
  const TemporaryFolder folder;
  const InputFile file(write_safetensors(folder / "f",
                                         {{"b", DType::f32, {2}, bytes_of<float>({1, 2})},
                                          {"scalar", DType::bf16, {}},
                                          {"empty", DType::f16, {0, 7}},
                                          {"a\"\\\n層", DType::u8, {1, 3}}},
                                         {{"format", "pt"}, {"k", "v\""}}));
  const Header header = read_header(file);
  EXPECT_EQ(header.size % 8, 0u);
  EXPECT_EQ(header.metadata.at("k"), "v\"");
  ASSERT_EQ(header.entries.size(), 4u);
  EXPECT_EQ(header.entries[0].info.name, "b");
  EXPECT_EQ(header.entries[0].end, 8u);
  EXPECT_EQ(header.entries[1].info.shape, Shape{});
  EXPECT_EQ(header.entries[1].info.dtype, DType::bf16);
  EXPECT_EQ(header.entries[2].info.name, "empty");
  EXPECT_EQ(header.entries[2].begin, header.entries[2].end);
  EXPECT_EQ(header.entries[3].info.name, "a\"\\\n層");
  EXPECT_EQ(header.entries[3].end, 13u);
}

TEST(Header, MadeTextIsExact) {
  const std::vector<TensorInfo> tensors = {{"w", DType::f32, {2, 3}}, {"b", DType::bf16, {}}};
  const std::string header = make_header(tensors, {{"format", "pt"}});
  const std::string json =
      R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]}})";
  EXPECT_EQ(header.size() % 8, 0u);
  EXPECT_EQ(header.substr(8, json.size()), json);
  EXPECT_EQ(header.find_first_not_of(' ', 8 + json.size()), std::string::npos);
  EXPECT_EQ(static_cast<unsigned char>(header[0]), header.size() - 8);
  EXPECT_EQ(make_header({}, {}).substr(8), "{}      ");
  EXPECT_THAT(complaint([] {
                make_header(std::vector<TensorInfo>{{"\xff", DType::u8, {}}}, {});
              }),
              AllOf(StartsWith("unsupported: "), HasSubstr("UTF-8")));
}

TEST(Header, EntriesComeInTheOrderOfTheirData) {
  const std::string json =
      R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]},)"
      R"("z":{"dtype":"U8","shape":[0],"data_offsets":[5,5]},)"
      R"("a":{"shape":[5],"data_offsets":[0,5],"dtype":"U8"},"__metadata__":null})";
  const Header header = parse_header(json, 8 + json.size() + 8, "f");
  ASSERT_EQ(header.entries.size(), 3u);
  EXPECT_EQ(header.entries[0].info.name, "a");
  EXPECT_EQ(header.entries[1].info.name, "z");
  EXPECT_EQ(header.entries[2].info.name, "b");
  EXPECT_EQ(header.size, 8 + json.size());
}

TEST(Header, NoTensorsAreFine) {
  EXPECT_EQ(refusal("{}", 0), "no error");
  EXPECT_EQ(refusal("{}   ", 0), "no error");
  EXPECT_EQ(refusal(R"({"__metadata__":{}})", 0), "no error");
}

TEST(HeaderRefuses, JsonThatIsNotAHeader) {
  EXPECT_THAT(refusal(""), HasSubstr("corrupt: f.st: header does not begin with '{'"));
  EXPECT_THAT(refusal(" {}"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal("[]"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal("{"), HasSubstr("f.st: header is not valid JSON (byte 2): unexpected end"));
  EXPECT_THAT(refusal("{}{}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(std::string("{\"a\xff\":1}")), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(R"({"w":[]})"), HasSubstr("header entry 'w' is an array, not an object"));
  EXPECT_THAT(refusal(R"({"w":null})"), HasSubstr("'w' is null"));
  EXPECT_THAT(refusal(R"({"w":1})"), HasSubstr("'w' is a number"));
  EXPECT_THAT(refusal(R"({"w":true})"), HasSubstr("'w' is a boolean"));
  EXPECT_THAT(refusal("{\"w\":" + std::string(1'000'000, '[')), HasSubstr("is an array"));
  std::string deep = "{";
  for (int i = 0; i < 100'000; ++i) deep += R"("w":{)";
  EXPECT_THAT(refusal(deep), HasSubstr("tensor 'w': key 'w' is unknown"));
}

TEST(HeaderRefuses, Metadata) {
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":1}})"),
              HasSubstr("__metadata__ 'a' is a number, not a string"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":{}}})"), HasSubstr("'a' is an object"));
  EXPECT_THAT(refusal(R"({"__metadata__":"x"})"), HasSubstr("'__metadata__' is a string"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":"1","a":"2"}})"), HasSubstr("key 'a' twice"));
  EXPECT_THAT(refusal(R"({"__metadata__":{},"__metadata__":{}})"), HasSubstr("occurs twice"));
}

TEST(HeaderRefuses, Names) {
  const std::string body = R"(:{"dtype":"U8","shape":[8],"data_offsets":[0,8]})";
  EXPECT_THAT(refusal("{\"\"" + body + "}"), HasSubstr("a tensor has an empty name"));
  EXPECT_EQ(refusal("{\"" + std::string(4096, 'n') + '"' + body + "}"), "no error");
  EXPECT_THAT(refusal("{\"" + std::string(4097, 'n') + '"' + body + "}"),
              HasSubstr("a tensor's name has 4097 bytes, at most 4096"));
  EXPECT_THAT(refusal("{\"w\"" + body + ",\"w\"" + body + "}"),
              HasSubstr("f.st: tensor 'w': the header names this tensor twice"));
  // Control characters are allowed, and cannot harm the message.
  EXPECT_EQ(refusal("{\"a\\nb\"" + body + "}"), "no error");
  EXPECT_THAT(refusal("{\"a\\nb\"" + body + "}", 9), HasSubstr("1 bytes after its last tensor"));
  EXPECT_THAT(refusal(R"({"a\nb":{}})"), HasSubstr("tensor 'a\\nb': 'dtype' is missing"));
}

TEST(HeaderRefuses, Entries) {
  EXPECT_THAT(refusal(R"({"w":{}})"), HasSubstr("tensor 'w': 'dtype' is missing"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8"}})"), HasSubstr("'shape' is missing"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8","shape":[]}})"),
              HasSubstr("'data_offsets' is missing"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8","dtype":"U8"}})"),
              HasSubstr("key 'dtype' occurs twice"));
  EXPECT_THAT(refusal(R"({"w":{"shape":[8],"shape":[8]}})"), HasSubstr("key 'shape' occurs twice"));
  EXPECT_THAT(refusal(R"({"w":{"stride":[1]}})"), HasSubstr("tensor 'w': key 'stride' is unknown"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":1}})"), HasSubstr("'dtype' is a number"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":["U8"]}})"), HasSubstr("'dtype' is an array"));
  EXPECT_THAT(refusal(R"({"w":{"shape":"8"}})"), HasSubstr("'shape' is a string"));
  EXPECT_THAT(refusal(R"({"w":{"shape":8}})"), HasSubstr("'shape' is a number"));
  EXPECT_THAT(refusal(R"({"w":{"shape":{}}})"), HasSubstr("'shape' is an object"));
}

TEST(HeaderRefuses, ElementTypesItCannotRead) {
  for (const char* name : {"F4", "F6_E2M3", "F8_E8M0", "C64", "bf16", ""}) {
    EXPECT_THAT(
        refusal(entry(name, "[8]", "[0,8]")),
        AllOf(StartsWith("unsupported: f.st: tensor 'w': element type '"), HasSubstr(name)));
  }
  EXPECT_LT(refusal(entry(std::string(100'000, 'F'), "[8]", "[0,8]")).size(), 300u);
}

TEST(HeaderRefuses, Shapes) {
  const auto shape = [](std::string_view text) { return refusal(entry("U8", text, "[0,8]")); };
  EXPECT_THAT(shape("[8.0]"), HasSubstr("tensor 'w': a dimension is a fraction"));
  EXPECT_THAT(shape("[8e0]"), HasSubstr("not a whole number"));
  EXPECT_THAT(shape("[-8]"), HasSubstr("a dimension is a negative number"));
  EXPECT_THAT(shape("[\"8\"]"), HasSubstr("a dimension is a string"));
  EXPECT_THAT(shape("[[8]]"), HasSubstr("a dimension is an array"));
  EXPECT_THAT(shape("[null]"), HasSubstr("a dimension is null"));
  EXPECT_THAT(shape("[99999999999999999999]"), HasSubstr("out of range"));
  EXPECT_THAT(shape("[9223372036854775807,2]"), HasSubstr("overflows"));
  EXPECT_THAT(shape("[4294967296,4294967296]"), HasSubstr("overflows"));
  EXPECT_THAT(shape("[4294967296,4294967296,0]"), HasSubstr("overflows"));
  EXPECT_THAT(shape("[9]"), HasSubstr("U8 [9] needs 9 bytes, its data have 8"));
  std::string ones = "[1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  EXPECT_THAT(shape(ones + "]"), HasSubstr("more than 64 dimensions"));
}

TEST(HeaderRefuses, Offsets) {
  const auto offsets = [](std::string_view text) { return refusal(entry("U8", "[8]", text)); };
  EXPECT_THAT(offsets("[8,0]"), HasSubstr("data begin at byte 8 and end before, at 0"));
  EXPECT_THAT(offsets("[0]"), HasSubstr("'data_offsets' has 1 numbers, not two"));
  EXPECT_THAT(offsets("[]"), HasSubstr("has 0 numbers"));
  EXPECT_THAT(offsets("[0,8,9]"), HasSubstr("more than two"));
  EXPECT_THAT(offsets("[0,-8]"), HasSubstr("a data offset is a negative number"));
  EXPECT_THAT(offsets("[0,8.0]"), HasSubstr("a data offset is a fraction"));
  EXPECT_THAT(offsets("[1,9]"), HasSubstr("data begin at byte 1, but the tensor before ends at 0: "
                                          "a gap"));
  EXPECT_THAT(offsets("[18446744073709551608,0]"), HasSubstr("end before"));
}

TEST(HeaderRefuses, OverlapsGapsAndWrongSizes) {
  const auto two = [](std::string_view second, std::uint64_t data) {
    return refusal(R"({"v":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                   R"("w":{"dtype":"U8","shape":[4],"data_offsets":)" +
                       std::string(second) + "}}",
                   data);
  };
  EXPECT_EQ(two("[4,8]", 8), "no error");
  EXPECT_THAT(two("[3,7]", 8), HasSubstr("tensor 'w': data begin at byte 3, but the tensor before "
                                         "ends at 4: they overlap"));
  EXPECT_THAT(two("[0,4]", 8), HasSubstr("they overlap"));
  EXPECT_THAT(two("[5,9]", 9), HasSubstr("a gap"));
  EXPECT_THAT(two("[4,8]", 7),
              HasSubstr("file is cut short: its tensors have 8 bytes, it holds 7 of them"));
  EXPECT_THAT(two("[4,8]", 9), HasSubstr("file has 1 bytes after its last tensor"));
  EXPECT_THAT(complaint([] { parse_header("{}", 9, "f"); }), HasSubstr("cut short"));
}

TEST(FileRefuses, LengthsThatCannotBe) {
  EXPECT_THAT(refusal_of_file("\x01\x02"), HasSubstr("file has 2 bytes, too few"));
  std::string text = safetensors_text("{}");
  text[0] = 100;
  EXPECT_THAT(refusal_of_file(text),
              AllOf(StartsWith("corrupt: "),
                    HasSubstr("file is cut short: header has 100 bytes, 2 of them are there")));
  text[7] = '\x7f';
  EXPECT_THAT(refusal_of_file(text), HasSubstr("bytes, at most 100000000 are read"));
  text = safetensors_text("{}");
  text[0] = 0;
  EXPECT_THAT(refusal_of_file(text), HasSubstr("does not begin with '{'"));
}

TEST(FileRefuses, OtherFormatsByName) {
  EXPECT_THAT(refusal_of_file(""), HasSubstr("file is empty"));
  EXPECT_THAT(
      refusal_of_file("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
      AllOf(StartsWith("unsupported: "), HasSubstr("Git-LFS pointer"), HasSubstr("lfs pull")));
  EXPECT_THAT(refusal_of_file(std::string(257, 'x') + "ustar" + std::string(250, '\0')),
              AllOf(StartsWith("unsupported: "), HasSubstr("a tar file")));
  EXPECT_THAT(refusal_of_file(std::string("GGUF\x03\0\0\0", 8) + std::string(100, '\x01')),
              HasSubstr("GGUF"));
  EXPECT_THAT(refusal_of_file("\n<!DOCTYPE html><html>"), HasSubstr("a web page was saved"));
  EXPECT_THAT(refusal_of_file("<HTML><body>"), HasSubstr("a web page was saved"));
  EXPECT_THAT(refusal_of_file(std::string(4096, '\0')), HasSubstr("begins with zeros"));
  EXPECT_THAT(refusal_of_file("Entry not found"),
              HasSubstr("this is text, not safetensors: 'Entry"));
  EXPECT_THAT(refusal_of_file("\x89HDF\r\n\x1a\n" + std::string(100, '\x01')), HasSubstr("HDF5"));
}

// A header of 0x0280 bytes begins as a pickle does.
TEST(File, LengthThatLooksLikeAPickleIsFine) {
  std::string json = entry("U8", "[8]", "[0,8]");
  json.resize(0x0280, ' ');
  EXPECT_EQ(refusal_of_file(safetensors_text(json, "12345678")), "no error");
}

}  // namespace
}  // namespace merganser::safetensors
