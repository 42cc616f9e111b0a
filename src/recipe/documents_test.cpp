#include "recipe/format.h"
#include "recipe/parse.h"
#include "recipe/recipe_testing.h"

namespace merganser::testing {
namespace {

std::string document(const std::string& name, const std::string& models) {
  std::string text = name.empty() ? "" : "name: " + name + "\n";
  return text + "merge_method: linear\nmodels: [" + models + "]\n";
}

std::string model(const std::string& path) { return "{model: " + path + "}"; }

std::vector<std::string> names(const Recipe& recipe) {
  std::vector<std::string> result;
  for (const auto& one : recipe.documents) result.push_back(one->name);
  return result;
}

TEST(Documents, ComeInTheOrderOfTheirNeeds) {
  const Recipe recipe = parse(document("", model("second") + "," + model("c")) + "---\n" +
                              document("second", model("first") + "," + model("b")) + "---\n" +
                              document("first", model("a")));
  EXPECT_EQ(recipe.name, "");
  EXPECT_EQ(names(recipe), (std::vector<std::string>{"first", "second"}));
  EXPECT_NE(recipe.document(recipe.modules[0].models[0].model), nullptr);
  EXPECT_EQ(recipe.document(recipe.modules[0].models[1].model), nullptr);
}

TEST(Documents, TheFinalOneMayHaveAName) {
  const Recipe recipe =
      parse(document("last", model("first")) + "---\n" + document("first", model("a")));
  EXPECT_EQ(recipe.name, "last");
  EXPECT_EQ(names(recipe), std::vector<std::string>{"first"});
}

TEST(Documents, OneAloneMayHaveAName) { EXPECT_EQ(parse(document("it", model("a"))).name, "it"); }

TEST(Documents, ADocumentUsedTwiceStandsOnce) {
  const Recipe recipe = parse(document("a", model("x")) + "---\n" + document("b", model("a")) +
                              "---\n" + document("", model("a") + "," + model("b")));
  EXPECT_EQ(names(recipe), (std::vector<std::string>{"a", "b"}));
}

TEST(Documents, AsTextAgain) {
  const std::string text =
      document("first", model("a")) + "---\n" + document("", model("first") + "," + model("b"));
  const std::string canonical = to_yaml(parse(text));
  EXPECT_EQ(to_yaml(parse(canonical)), canonical);
  EXPECT_EQ(parse(canonical).documents.size(), 1u);
}

struct Bad {
  std::string text;
  std::size_t line;
  std::string message;
};

TEST(Documents, Refusals) {
  const std::vector<Bad> cases = {
      {document("a", model("b")) + "---\n" + document("b", model("a")), 7, "own output"},
      {document("a", model("x")) + "---\n" + document("a", model("y")), 5, "two documents"},
      {document("", model("x")) + "---\n" + document("", model("y")), 4, "without a name"},
      {document("a", model("x")) + "---\n" + document("b", model("y")), 5, "both final"},
      {document("a", model("x")) + "---\n" + document("", model("y")), 2, "not used"},
      {document("a", model("x")) + "---\n" + document("", model("a+lora")), 6, "no revision"},
      {document("a", model("x")) + "---\n", 0, "empty"},
  };
  for (const Bad& bad : cases) {
    try {
      parse(bad.text);
      ADD_FAILURE() << "accepted:\n" << bad.text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::recipe);
      EXPECT_THAT(error.what(), ::testing::HasSubstr(bad.message));
      EXPECT_EQ(error.line(), bad.line) << bad.text << error.what();
    }
  }
}

}  // namespace
}  // namespace merganser::testing
