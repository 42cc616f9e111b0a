#include "adapter/pattern.h"

#include <gmock/gmock.h>

#include <chrono>

#include "base/testing.h"

namespace merganser {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

std::optional<std::size_t> find(const std::vector<std::string>& keys, std::string_view name) {
  NamePatterns patterns;
  for (const std::string& key : keys) patterns.add(key);
  return patterns.find(name);
}

// Expectations from Python's re.match(rf"(.*\.)?({key})$", name).
TEST(NamePatterns, AKeyIsTheNameOrItsEndBehindADot) {
  EXPECT_THAT(find({"q_proj"}, "q_proj"), Optional(0u));
  EXPECT_THAT(find({"q_proj"}, "model.layers.0.self_attn.q_proj"), Optional(0u));
  EXPECT_THAT(find({"layers.0.q_proj"}, "model.layers.0.q_proj"), Optional(0u));
  EXPECT_EQ(find({"q_proj"}, "model.xq_proj"), std::nullopt);
  EXPECT_EQ(find({"q_proj"}, "model.q_proj.x"), std::nullopt);
  EXPECT_EQ(find({"0.q_proj"}, "model.10.q_proj"), std::nullopt);
  EXPECT_EQ(find({"model.q_proj"}, "q_proj"), std::nullopt);
}

TEST(NamePatterns, ADotMatchesAnyCharacter) {
  EXPECT_THAT(find({"a.b"}, "x.a-b"), Optional(0u));
  EXPECT_THAT(find({".b"}, "ab"), Optional(0u));
}

TEST(NamePatterns, TheFirstThatMatchesCounts) {
  EXPECT_THAT(find({"k_proj", "layers.1.q_proj", "q_proj"}, "layers.0.q_proj"), Optional(2u));
  EXPECT_THAT(find({"k_proj", "layers.1.q_proj", "q_proj"}, "layers.1.q_proj"), Optional(1u));
}

TEST(NamePatterns, RegularExpressions) {
  EXPECT_THAT(find({"[qk]_proj"}, "a.k_proj"), Optional(0u));
  EXPECT_EQ(find({"[qk]_proj"}, "a.v_proj"), std::nullopt);
  EXPECT_THAT(find({"^model.layers.0.q_proj"}, "model.layers.0.q_proj"), Optional(0u));
  EXPECT_EQ(find({"^model.layers.0.q_proj"}, "x.model.layers.0.q_proj"), std::nullopt);
  EXPECT_THAT(find({"q_proj|k_proj"}, "a.b.k_proj"), Optional(0u));
  EXPECT_EQ(find({"q_proj|k_proj"}, "a.b.xk_proj"), std::nullopt);
  EXPECT_THAT(find({R"(layers\.(0|1)\..*proj)"}, "m.layers.1.mlp.up_proj"), Optional(0u));
}

TEST(NamePatterns, HostileOnesEndSoon) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(find({"(a+)+b"}, std::string(500, 'a')), std::nullopt);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  NamePatterns patterns;
  const auto added = [&](const std::string& key) {
    return test::complaint([&] { patterns.add(key); });
  };
  EXPECT_THAT(added("[" + std::string(300, 'a') + "]"), HasSubstr("200 characters"));
  EXPECT_THAT(added("((a{99}){99}){99}"), HasSubstr("counts repetitions"));
  EXPECT_THAT(added("(a"), HasSubstr("not a regular expression"));
  EXPECT_THAT(added(R"((a)\1)"), HasSubstr("not a regular expression"));
  patterns.add("[ab]");
  EXPECT_THAT(test::complaint([&] { patterns.find(std::string(600, 'a')); }),
              HasSubstr("too long"));
}

}  // namespace
}  // namespace merganser
