#include "base/error.h"
#include "merganser/merganser.h"
#include "recipe/format.h"
#include "source/task_source.h"

namespace merganser {

std::vector<TaskInfo> tasks(const std::string& path) {
  std::vector<TaskInfo> found;
  for (TaskList::Task& task : read_tasks(path).tasks) {
    found.push_back({std::move(task.name), std::move(task.model), task.scale});
  }
  return found;
}

std::string task_recipe(const std::string& path, const std::string& task, const std::string& base) {
  if (task.empty()) throw Error(ErrorKind::usage, "no task is given");
  Recipe recipe;
  recipe.method = "passthrough";
  RecipeSource source;
  source.model.path = path;
  source.model.task = task;
  source.model.task_base = base;
  recipe.modules.emplace_back().models.push_back(std::move(source));
  return to_yaml(recipe);
}

}  // namespace merganser
