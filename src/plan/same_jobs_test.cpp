#include "plan/same_jobs.h"

#include <chrono>

#include "plan/testing.h"

namespace merganser::test {
namespace {

class SameJobs : public ::testing::Test {
 protected:
  SameJobs() {
    for (const char* name : {"base", "a", "b"}) bench_.llama_model(name, 2);
  }

  Plan plan(const std::string& text) const {
    return make_plan(
        bench_.recipe(text),
        [](const Recipe& recipe) -> const Descriptor& { return require_method(recipe.method); },
        {});
  }

  // Names of the jobs that have to be merged again.
  std::set<std::string> changed(const std::string& before, const std::string& now) const {
    const Plan first = plan(before), second = plan(now);
    const std::vector<bool> same = same_jobs(first, second);
    std::set<std::string> names;
    for (std::size_t j = 0; j < same.size(); ++j) {
      if (!same[j]) names.insert(second.jobs[j].output.name);
    }
    return names;
  }

  static std::string ties(const std::string& parameters, const std::string& weight = "1") {
    return "merge_method: ties\nbase_model: base\nmodels:\n  - {model: a, parameters: {weight: " +
           weight + "}}\n  - {model: b, parameters: {weight: 1}}\nparameters: {" + parameters +
           "}\n";
  }

  std::size_t all() const { return llama(2).size(); }

  Bench bench_;
};

TEST_F(SameJobs, NothingChanged) {
  EXPECT_TRUE(changed(ties("density: 0.5"), ties("density: 0.5")).empty());
}

TEST_F(SameJobs, ASharedSettingChangesAll) {
  EXPECT_EQ(changed(ties("density: 0.5"), ties("density: 0.6")).size(), all());
  EXPECT_EQ(changed(ties("density: 0.5"), ties("density: 0.5", "0.9")).size(), all());
  EXPECT_EQ(changed(ties("density: 0.5"), ties("density: 0.5") + "seed: 3\n").size(), all());
}

TEST_F(SameJobs, AFilterChangesWhatItMatches) {
  const auto text = [](const std::string& value) {
    return ties("density: 0.5, lambda: [{filter: mlp, value: " + value + "}, {value: 1}]");
  };
  EXPECT_EQ(changed(text("0.5"), text("0.7")),
            (std::set<std::string>{"model.layers.0.mlp.up_proj.weight",
                                   "model.layers.1.mlp.up_proj.weight"}));
}

TEST_F(SameJobs, AReductionOverTheModelChangesAsAWhole) {
  const auto text = [](const std::string& value) {
    return ties("density: 0.5, trim_scope: model, lambda: [{filter: mlp, value: " + value +
                "}, {value: 1}]");
  };
  const Plan before = plan(text("0.5"));
  ASSERT_TRUE(before.jobs[0].whole_model);
  EXPECT_EQ(changed(text("0.5"), text("0.7")).size(), all());
  EXPECT_TRUE(changed(text("0.5"), text("0.5")).empty());
}

TEST_F(SameJobs, AnotherMethodOrModel) {
  const auto linear = [](const std::string& model) {
    return "merge_method: linear\nmodels: [{model: base}, {model: " + model +
           "}]\nparameters: {weight: 1}\n";
  };
  EXPECT_EQ(changed(linear("a"), linear("b")).size(), all());
  EXPECT_EQ(changed(ties("density: 0.5"), linear("a")).size(), all());
  EXPECT_EQ(changed(linear("a"), linear("a") + "out_dtype: bfloat16\n").size(), all());
}

TEST_F(SameJobs, DocumentsAreLookedInto) {
  const auto text = [](const std::string& mlp, const std::string& outer) {
    return "name: first\nmerge_method: linear\nmodels: [{model: base}, {model: a}]\n"
           "parameters: {weight: [{filter: mlp, value: " +
           mlp +
           "}, {value: 1}]}\n---\n"
           "merge_method: linear\nmodels: [{model: first}, {model: b}]\nparameters: {weight: " +
           outer + "}\n";
  };
  EXPECT_TRUE(changed(text("0.5", "1"), text("0.5", "1")).empty());
  EXPECT_EQ(changed(text("0.5", "1"), text("0.7", "1")),
            (std::set<std::string>{"model.layers.0.mlp.up_proj.weight",
                                   "model.layers.1.mlp.up_proj.weight"}));
  EXPECT_EQ(changed(text("0.5", "1"), text("0.5", "0.5")).size(), all());
}

TEST_F(SameJobs, AChangedFileChangesAll) {
  const Plan before = plan(ties("density: 0.5"));
  bench_.llama_model("a", 2);
  const auto file = bench_.path() / "a/model.safetensors";
  std::filesystem::last_write_time(
      file, std::filesystem::last_write_time(file) + std::chrono::seconds(5));
  const std::vector<bool> same = same_jobs(before, plan(ties("density: 0.5")));
  EXPECT_EQ(std::count(same.begin(), same.end(), true), 0);
}

}  // namespace
}  // namespace merganser::test
