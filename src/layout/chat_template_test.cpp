#include "layout/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layout/output_folder.h"
#include "layout/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

std::string written(const test::Models& models, const std::string& setting,
                    const std::string& file = "chat_template.jinja") {
  const fs::path out = models.out();
  fs::remove_all(out);
  fs::create_directory(out);
  write_companions(models.plan("chat_template: " + setting + "\n"), {}, out, "out");
  return fs::exists(out / file) ? test::read_file(out / file) : "(absent)";
}

TEST(ChatTemplate, KnownNames) {
  const test::Models models;
  for (const char* name : {"alpaca", "chatml", "exaone", "llama3", "mistral"}) {
    const auto known = known_chat_template(name);
    ASSERT_TRUE(known) << name;
    EXPECT_EQ(written(models, name), *known);
  }
  EXPECT_FALSE(known_chat_template("auto"));
  EXPECT_THAT(written(models, "chatml"), HasSubstr("<|im_start|>assistant"));
}

TEST(ChatTemplate, LiteralText) {
  const test::Models models;
  EXPECT_EQ(written(models, "\"{% for m in messages %}x\\n{% endfor %}\""),
            "{% for m in messages %}x\n{% endfor %}");
}

TEST(ChatTemplate, ReplacedInTheTokenizersConfig) {
  const test::Models models;
  test::write_file(
      models.base() / "tokenizer_config.json",
      "{\n  \"b\": {\"chat_template\": \"inner\"},\n  \"chat_template\" : \"old \\\" }\","
      "\n  \"model_max_length\": 1000000000000000019884624838656\n}\n");
  test::write_file(models.base() / "chat_template.jinja", "old");
  EXPECT_EQ(written(models, "\"{{ 'a' }} twenty characters\"", "tokenizer_config.json"),
            "{\n  \"b\": {\"chat_template\": \"inner\"},\n  \"chat_template\" : "
            "\"{{ 'a' }} twenty characters\",\n"
            "  \"model_max_length\": 1000000000000000019884624838656\n}\n");
  EXPECT_EQ(test::read_file(models.out() / "chat_template.jinja"), "{{ 'a' }} twenty characters");
}

TEST(ChatTemplate, AutoTakesTheMostCommon) {
  test::Models models;
  EXPECT_EQ(written(models, "auto"), "(absent)");
  test::write_file(models.tune() / "tokenizer_config.json",
                   R"({"chat_template": [{"name": "tool", "template": "t"},)"
                   R"({"name": "default", "template": "d"}]})");
  EXPECT_EQ(written(models, "auto"), "d");
  test::write_file(models.base() / "tokenizer_config.json", R"({"chat_template": "mine"})");
  EXPECT_EQ(written(models, "auto"), "mine");  // a tie: the base's
  EXPECT_EQ(test::read_file(models.out() / "tokenizer_config.json"),
            R"({"chat_template": "mine"})");

  fs::copy(models.tune(), models.folder / "third");
  const std::string recipe = models.text("- model: " + (models.folder / "third").string() + "\n" +
                                         "chat_template: auto\n");
  std::vector<std::string> notes;
  const Plan plan = make_plan(parse_recipe(recipe, "r.yml"), test::mean_method(), {});
  EXPECT_EQ(wanted_chat_template(plan, notes), "d");  // two to one
}

TEST(ChatTemplate, BrokenConfigIsNoted) {
  const test::Models models;
  test::write_file(models.base() / "tokenizer_config.json", std::string(100'000, '['));
  EXPECT_THAT(written(models, "chatml"), HasSubstr("im_start"));
  EXPECT_THAT(test::read_file(models.out() / "merganser_provenance.json"),
              HasSubstr("tokenizer_config.json keeps its own"));
  std::vector<std::string> notes;
  EXPECT_FALSE(wanted_chat_template(models.plan("chat_template: auto\n"), notes));
  EXPECT_THAT(notes, Contains(HasSubstr("passed over")));
}

TEST(ReplaceMember, Cases) {
  EXPECT_EQ(replace_member(R"({"k":1})", "k", "2"), R"({"k":2})");
  EXPECT_EQ(replace_member(R"( { "a" : [1,{"k":3}] , "k" : [ "}" ] } )", "k", "2"),
            R"( { "a" : [1,{"k":3}] , "k" : 2 } )");
  EXPECT_EQ(replace_member(R"({"k":{"k":1},"k":null})", "k", "2"), R"({"k":2,"k":2})");
  EXPECT_EQ(replace_member(R"({"a\\":"k","b":"\"k\":"})", "k", "2"), std::nullopt);
  for (const char* text : {"", "[]", "{}", "{", "{\"k\"", "{\"k\":", "{\"", "7", "{,,"}) {
    EXPECT_EQ(replace_member(text, "k", "2").value_or(text).substr(0, 1),
              std::string(text).substr(0, 1));
  }
}

}  // namespace
}  // namespace merganser
