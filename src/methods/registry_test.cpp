#include "methods/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/testing.h"

namespace merganser {
namespace {

using ::testing::HasSubstr;

TEST(Registry, HoldsTheFolderSortedByName) {
  const std::vector<std::string> names = method_names();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const char* name :
       {"dare_linear", "dare_ties", "linear", "passthrough", "slerp", "task_arithmetic", "ties"}) {
    ASSERT_NE(find_method(name), nullptr) << name;
    EXPECT_EQ(find_method(name)->name, name);
    EXPECT_EQ(&require_method(name), find_method(name));
  }
  EXPECT_EQ(find_method("registry"), nullptr);
  EXPECT_EQ(find_method(""), nullptr);
}

TEST(Registry, NamesTheNearestMethod) {
  const std::string text = test::complaint([] { require_method("task_aritmetic"); });
  EXPECT_THAT(text, HasSubstr("task_aritmetic"));
  EXPECT_THAT(text, HasSubstr("did you mean 'task_arithmetic'?"));
}

TEST(Registry, DescriptorsAreComplete) {
  for (const Descriptor* method : all_methods()) {
    SCOPED_TRACE(method->name);
    for (const std::string_view text :
         {method->title, method->summary, method->formula, method->paper}) {
      EXPECT_FALSE(text.empty());
    }
    EXPECT_TRUE(method->summary.ends_with('.'));
    EXPECT_NE(method->outline, nullptr);
    EXPECT_NE(method->make_f32, nullptr);
    EXPECT_NE(method->make_f64, nullptr);
    EXPECT_LE(method->min_inputs, method->max_inputs);
    EXPECT_TRUE(method->space == InputSpace::weights || method->base != BaseRole::ordinary);
    std::set<std::string_view> names;
    for (const Parameter& parameter : method->parameters) {
      SCOPED_TRACE(parameter.name);
      EXPECT_TRUE(names.insert(parameter.name).second) << "twice";
      EXPECT_TRUE(parameter.summary.ends_with('.'));
      EXPECT_EQ(parameter.type == ParameterType::choice, !parameter.choices.empty());
      if (!parameter.fallback) continue;
      const Value& fallback = *parameter.fallback;
      switch (parameter.type) {
        case ParameterType::number: {
          ASSERT_TRUE(std::holds_alternative<double>(fallback));
          EXPECT_GE(std::get<double>(fallback), parameter.low);
          EXPECT_LE(std::get<double>(fallback), parameter.high);
          break;
        }
        case ParameterType::flag:
          EXPECT_TRUE(std::holds_alternative<bool>(fallback));
          break;
        case ParameterType::choice: {
          ASSERT_TRUE(std::holds_alternative<std::string>(fallback));
          EXPECT_THAT(parameter.choices, ::testing::Contains(std::get<std::string>(fallback)));
          break;
        }
      }
    }
  }
}

}  // namespace
}  // namespace merganser
