#include "source/task_source.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"

namespace merganser {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string list_with(std::string_view masks, std::string_view scale = "1.5") {
  return fmt::format(R"({{"format": 1, "base_model": "../base", "masks": "{}",)"
                     R"( "tasks": [{{"name": "a", "model": "x/a", "scale": {}}}]}})",
                     masks, scale);
}

TEST(TaskList, IsReadFromText) {
  const TaskList list = parse_tasks(list_with("task_masks.safetensors"), "j");
  EXPECT_EQ(list.base, "../base");
  EXPECT_EQ(list.masks, "task_masks.safetensors");
  ASSERT_EQ(list.tasks.size(), 1u);
  EXPECT_EQ(list.tasks[0].name, "a");
  EXPECT_EQ(list.tasks[0].model, "x/a");
  EXPECT_EQ(list.tasks[0].scale, 1.5);
}

TEST(TaskList, MasksLieBesideIt) {
  for (const char* masks : {"", ".", "..", "../x", "/x", "a/b", "..\\\\x", "x\\u0000y"}) {
    EXPECT_THAT(test::complaint([&] { parse_tasks(list_with(masks), "list.json"); }),
                AllOf(StartsWith("corrupt: list.json"), HasSubstr("masks")))
        << masks;
  }
}

TEST(TaskList, WhatIsNoListIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("3"), std::string(R"({"format": 1})"),
        list_with("m", "1e999"), list_with("m", "null"), list_with("m", "\"1\"")}) {
    EXPECT_THAT(test::complaint([&] { parse_tasks(text, "list.json"); }),
                AllOf(StartsWith("corrupt: "), HasSubstr("list.json")))
        << text;
  }
  EXPECT_THAT(test::complaint([] { parse_tasks(R"({"format": 2})", "j"); }),
              StartsWith("unsupported: "));
}

}  // namespace
}  // namespace merganser
