#include "layout/provenance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "layout/testing.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

Json provenance(const Plan& plan, const fs::path& out, const ProvenanceFacts& facts = {}) {
  fs::create_directories(out);
  write_companions(plan, facts, out, "out");
  return Json::parse(test::read_file(out / "merganser_provenance.json"));
}

std::vector<std::string> notes_of(const Json& tree) { return tree["notes"]; }

TEST(Provenance, TellsAll) {
  const test::Models models;
  const Plan plan = models.plan("seed: 4242\ndtype: bfloat16\n");
  ProvenanceFacts facts{.version = "9.8.7"};
  facts.output_hashes = {"xxh3:out"};
  facts.input_hashes = {{{0, 0}, "xxh3:base"}, {{1, 0}, "xxh3:tune"}};
  facts.input_non_finite = {{{1, 0}, 3}};
  facts.output_non_finite = {2};
  const Json tree = provenance(plan, models.out(), facts);
  EXPECT_EQ(tree["merganser"], "9.8.7");
  EXPECT_EQ(tree["format"], 1);
  EXPECT_EQ(tree["method"], "mean");
  EXPECT_EQ(tree["seed"], 4242);
  EXPECT_EQ(tree["dtype"], "bfloat16");
  EXPECT_EQ(tree["hash"], "xxh3");
  EXPECT_EQ(tree["recipe"], models.text("seed: 4242\ndtype: bfloat16\n"));
  EXPECT_FALSE(tree.contains("only"));
  ASSERT_EQ(tree["models"].size(), 2u);
  EXPECT_EQ(tree["models"][0]["ref"], models.base().string());
  EXPECT_EQ(tree["models"][0]["role"], "base");
  EXPECT_EQ(tree["models"][1]["role"], "input");
  EXPECT_THAT(tree["models"][0]["config"].get<std::string>(), HasSubstr("sha256:"));
  ASSERT_EQ(tree["tensors"].size(), 1u);
  const Json& tensor = tree["tensors"][0];
  EXPECT_EQ(tensor["name"], "net.weight");
  EXPECT_EQ(tensor["dtype"], "BF16");
  EXPECT_EQ(tensor["shape"], Json::parse("[2, 2]"));
  EXPECT_EQ(tensor["action"], "merge");
  EXPECT_EQ(tensor["hash"], "xxh3:out");
  EXPECT_EQ(tensor["nan_or_inf"], 2);
  EXPECT_EQ(tensor["inputs"][1]["hash"], "xxh3:tune");
  EXPECT_EQ(tensor["inputs"][1]["nan_or_inf"], 3);
  EXPECT_FALSE(tensor["inputs"][0].contains("nan_or_inf"));
  EXPECT_EQ(tensor["parameters"]["per_input"][1]["weight"], 0.25);
  EXPECT_THAT(tree["companions"]["written"].get<std::vector<std::string>>(),
              Contains("config.json"));
  EXPECT_EQ(test::read_file(models.out() / "merganser_recipe.yml"),
            tree["recipe"].get<std::string>());
}

TEST(Provenance, SameForEveryRun) {
  const test::Models models;
  const std::string a = provenance(models.plan(), models.folder / "o1").dump();
  EXPECT_EQ(a, provenance(models.plan(), models.folder / "o2").dump());
  EXPECT_THAT(a, Not(HasSubstr("o1")));
}

TEST(Provenance, PartSaysSo) {
  const test::Models models;
  EXPECT_EQ(provenance(models.plan("", {.only = "net.*"}), models.out())["only"], "net.*");
  EXPECT_THAT(test::read_file(models.out() / "README.md"), HasSubstr("part only"));
}

// Models found beside the recipe: no path of this machine gets in.
TEST(Provenance, ModelsAsWritten) {
  const test::Models models;
  test::write_safetensors(models.tune() / "model.safetensors",
                          {{"net.weight", DType::f32, {2, 2}}, {"extra", DType::f32, {1}}});
  const std::string text =
      "merge_method: mean\nbase_model: base\nmodels:\n- model: base\n- model: tune\nheads: drop\n";
  const Plan plan = make_plan(parse_recipe(text, models.folder / "r.yml"), test::mean_method(), {});
  const Json tree = provenance(plan, models.out());
  EXPECT_EQ(tree["models"][1]["ref"], "tune");
  ASSERT_EQ(tree["left_out"].size(), 1u);
  EXPECT_EQ(tree["left_out"][0]["tensor"], "extra");
  EXPECT_THAT(tree["left_out"][0]["reason"].get<std::string>(), HasSubstr("not in base"));
  for (const char* name : {"merganser_provenance.json", "README.md"}) {
    EXPECT_THAT(test::read_file(models.out() / name),
                Not(HasSubstr(models.folder.path().string())));
  }
}

TEST(Lineage, AncestorsStandOnce) {
  const test::Models models;
  ProvenanceFacts facts{.version = "1"};
  facts.output_hashes = {"xxh3:first"};
  // first = base + tune; second = base + first; third = first + second.
  const auto merge = [&](const fs::path& a, const fs::path& b, const fs::path& out) {
    const std::string text =
        "merge_method: mean\nmodels:\n- model: " + a.string() + "\n- model: " + b.string() + "\n";
    const Json tree =
        provenance(make_plan(parse_recipe(text, ""), test::mean_method(), {}), out, facts);
    test::write_safetensors(out / "model.safetensors", {{"net.weight", DType::f32, {2, 2}}});
    return tree;
  };
  const fs::path first = models.folder / "first", second = models.folder / "second";
  EXPECT_TRUE(merge(models.base(), models.tune(), first)["ancestors"].empty());
  facts.output_hashes = {"xxh3:second"};
  const Json two = merge(models.base(), first, second);
  ASSERT_EQ(two["ancestors"].size(), 1u);
  EXPECT_FALSE(two["models"][0].contains("provenance"));
  const std::string key = two["models"][1]["provenance"];
  EXPECT_EQ(two["ancestors"][key]["tensors"][0]["hash"], "xxh3:first");
  const Json three = merge(first, second, models.out());
  EXPECT_EQ(three["ancestors"].size(), 2u);
  EXPECT_EQ(three["models"][0]["provenance"], key);
  EXPECT_EQ(three["ancestors"][key], two["ancestors"][key]);
}

TEST(Lineage, HostileParents) {
  const test::Models models;
  const auto notes = [&](const std::string& text) {
    test::write_file(models.tune() / "merganser_provenance.json", text);
    const Json tree = provenance(models.plan(), models.out());
    fs::remove_all(models.out());
    return notes_of(tree);
  };
  const std::string head = R"({"merganser": "1", "format": 1, "x": )";
  EXPECT_THAT(notes(head + std::string(100'000, '[')), Contains(HasSubstr("cannot be read")));
  EXPECT_THAT(notes(head + std::string(100'000, '[') + std::string(100'000, ']') + "}"),
              Contains(HasSubstr("cannot be read")));
  EXPECT_THAT(notes(""), Contains(HasSubstr("cannot be read")));
  EXPECT_THAT(notes("[1]"), Contains(HasSubstr("not in this program's format")));
  EXPECT_THAT(notes(R"({"merganser": "1", "format": 2})"), Contains(HasSubstr("format")));
  EXPECT_THAT(notes(head + R"(1, "ancestors": {"sha256:00": {"merganser": "1", "format": 1}}})"),
              Contains(HasSubstr("does not fit its hash")));
  EXPECT_THAT(notes(head + R"(1, "ancestors": [1, 2]})"), Contains(HasSubstr("does not fit")));
  EXPECT_THAT(notes(head + R"(1, "ancestors": 7})"), Contains(HasSubstr("does not fit")));
  fs::create_directories(models.tune() / "dir");
  fs::remove(models.tune() / "merganser_provenance.json");
  fs::rename(models.tune() / "dir", models.tune() / "merganser_provenance.json");
  EXPECT_THAT(notes_of(provenance(models.plan(), models.out())),
              Contains(HasSubstr("cannot be read")));
}

}  // namespace
}  // namespace merganser
