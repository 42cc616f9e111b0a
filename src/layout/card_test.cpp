#include "layout/card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layout/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Card, Holds) {
  const test::Models models;
  const std::string text = card_text(models.plan(), "9.8.7", "my|model");
  EXPECT_THAT(text, StartsWith("---\nbase_model:\n- base\n- tune\nlibrary_name: transformers\n"
                               "tags:\n- merganser\n- merge\n---\n# my\\|model\n"));
  EXPECT_THAT(text, HasSubstr("merganser 9.8.7"));
  EXPECT_THAT(text, HasSubstr("**Mean \\| of \\*models\\*** (`mean`): Adds the models up."));
  EXPECT_THAT(text, HasSubstr("```text\nsum of w_i x_i\n```"));
  EXPECT_THAT(text, HasSubstr("Source: Nobody 2020"));
  EXPECT_THAT(text, HasSubstr("| model | role | weight |\n|---|---|---|\n| base | base | 1"));
  EXPECT_THAT(text, HasSubstr("| tune | input | 0.25 |"));
  EXPECT_THAT(text, HasSubstr("```yaml\nmerge_method: mean\n"));
  EXPECT_THAT(text, Not(HasSubstr("Warnings")));
  EXPECT_THAT(text, Not(HasSubstr("part only")));
}

TEST(Card, NoTransformersWithoutAnArchitecture) {
  const test::Models models("{}");
  EXPECT_THAT(card_text(models.plan(), "1", "t"), Not(HasSubstr("library_name")));
}

TEST(Card, WarningsAndManyTensors) {
  const test::Models models;
  Plan plan = models.plan();
  plan.warnings = {"mind\nthe gap in " + models.base().string()};
  for (int i = 0; i < 30; ++i) plan.left_out.push_back({1, "t" + std::to_string(i), "why"});
  const std::string text = card_text(plan, "1", "t");
  EXPECT_THAT(text, HasSubstr("## Warnings\n\n- mind\\\\nthe gap"));
  EXPECT_THAT(text, AllOf(HasSubstr("- t19 of tune: why\n- and 10 more"), Not(HasSubstr("t20"))));
}

TEST(Card, FenceIsLongerThanTheRecipesOwn) {
  const test::Models models;
  const Plan plan = models.plan("# ``` and ````\n");
  EXPECT_THAT(card_text(plan, "1", "t"), AllOf(HasSubstr("\n`````yaml\n"), HasSubstr("\n`````\n")));
}

TEST(PublicName, NeverAPathOfTheMachine) {
  const auto name = [](const std::string& written, const fs::path& found) {
    PlanModel model;
    model.ref.path = written;
    model.path = found;
    return public_name(model);
  };
  EXPECT_EQ(name("org/name-7B", "org/name-7B"), "org/name-7B");
  EXPECT_EQ(name("name", "beside/name"), "name");
  EXPECT_EQ(name("./a", "./a"), "a");
  EXPECT_EQ(name("/data/models/x/", "/data/models/x/"), "x");
  EXPECT_EQ(name("../up", "../up"), "up");
  EXPECT_EQ(name(".", "."), fs::current_path().filename().string());
  EXPECT_EQ(name("/c/models--org--name/snapshots/0a", "/c/models--org--name/snapshots/0a"),
            "org/name");
  EXPECT_EQ(name("/d/x.safetensors", "/d/x.safetensors"), "x.safetensors");
}

}  // namespace
}  // namespace merganser
