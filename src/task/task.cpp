#include "task/task.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "recipe/scalar.h"
#include "recipe/yaml_walk.h"

namespace merganser::rt {
namespace {

using yaml::Map;
using yaml::Node;

constexpr std::uint64_t kMostText = 1 << 20;

class Reader {
 public:
  Reader(const std::filesystem::path& path) : path_(path), name_(path.string()) {}

  Task read(const Node& node) {
    const Map map(node, "a task",
                  {"task", "type", "metric", "train", "validation", "test", "head", "pooling",
                   "normalise", "length", "windows", "offset", "scale"},
                  name_);
    Task task;
    task.file = path_;
    task.name = text(map, "task", path_.stem().string());
    task.kind = choice<TaskKind>(map, "type",
                                 {{"classification", TaskKind::classification},
                                  {"language_modelling", TaskKind::language_modelling}});
    const bool language = task.kind == TaskKind::language_modelling;
    task.metric = language ? Metric::loss : Metric::accuracy;
    if (map.find("metric") != nullptr) {
      task.metric = choice<Metric>(map, "metric",
                                   {{"accuracy", Metric::accuracy},
                                    {"loss", Metric::loss},
                                    {"perplexity", Metric::perplexity}});
    }
    if (language && task.metric == Metric::accuracy) {
      yaml::fail(name_, map.mark_of("metric"), "accuracy is a metric of classification",
                 "loss or perplexity");
    }
    read_head(map, task);
    task.length = whole(map, "length", task.length);
    task.windows = whole(map, "windows", task.windows);
    if (task.length < 1) yaml::fail(name_, map.mark_of("length"), "length is at least 1");
    task.offset = number(map, "offset", task.offset);
    task.scale = number(map, "scale", task.scale);
    if (task.scale == 0) yaml::fail(name_, map.mark_of("scale"), "scale divides: it cannot be 0");
    for (const char* split : {"train", "validation", "test"}) {
      if (const Node* part = map.find(split)) task.splits[split] = read_split(*part, task);
    }
    if (task.splits.empty()) {
      yaml::fail(name_, node.mark, "there are no data", "a task has train, validation or test");
    }
    return task;
  }

 private:
  void read_head(const Map& map, Task& task) {
    if (const Node* head = map.find("head"))
      task.head = beside(yaml::text_of(*head, "head", name_));
    task.pooling = task.head.empty() ? Pooling::model : Pooling::mean;
    if (map.find("pooling") != nullptr) {
      task.pooling = choice<Pooling>(
          map, "pooling",
          {{"mean", Pooling::mean}, {"first", Pooling::first}, {"last", Pooling::last}});
      if (task.head.empty()) {
        yaml::fail(name_, map.mark_of("pooling"), "pooling is for a head of the task's own",
                   "give 'head' too, or leave both out");
      }
    }
    task.normalise = flag(map, "normalise", false);
  }

  SplitFile read_split(const Node& node, const Task& task) {
    const Map map(node, "data of a split", {"file", "inputs", "mask", "labels", "rows"}, name_);
    SplitFile split;
    split.file = beside(yaml::text_of(map.require("file"), "file", name_));
    const std::string file = split.file.filename().string();
    if (file.ends_with(".safetensors")) {
      split.inputs = text(map, "inputs", "ids");
      split.mask = text(map, "mask", "");
      if (task.kind == TaskKind::classification) split.labels = text(map, "labels", "labels");
    } else {
      if (task.kind != TaskKind::classification) {
        yaml::fail(name_, map.mark_of("file"), "text comes as a .safetensors file of token ids");
      }
      split.labels_file = beside(yaml::text_of(map.require("labels"), "labels", name_));
    }
    if (const Node* rows = map.find("rows")) {
      const auto& items = yaml::items_of(*rows, "rows", name_);
      if (items.size() != 2) {
        yaml::fail(name_, rows->mark, "rows are a first and a last one", "rows: [0, 8000]");
      }
      split.rows = {yaml::unsigned_of(*items[0], "a row", name_),
                    yaml::unsigned_of(*items[1], "a row", name_)};
      if ((*split.rows)[0] >= (*split.rows)[1]) {
        yaml::fail(name_, rows->mark, "there is no row between the two");
      }
    }
    return split;
  }

  template <typename T>
  T choice(const Map& map, std::string_view key,
           const std::vector<std::pair<std::string, T>>& known) const {
    const Node& node = map.require(key);
    const std::string& given = yaml::text_of(node, key, name_);
    std::vector<std::string> names;
    for (const auto& [name, value] : known) {
      if (name == given) return value;
      names.push_back(name);
    }
    yaml::fail(name_, node.mark, fmt::format("{} {} is unknown", key, yaml::quoted(given)),
               suggestion(given, names));
  }

  std::string text(const Map& map, std::string_view key, std::string fallback) const {
    const Node* node = map.find(key);
    return node == nullptr ? fallback : yaml::text_of(*node, key, name_);
  }
  double number(const Map& map, std::string_view key, double fallback) const {
    const Node* node = map.find(key);
    return node == nullptr ? fallback : yaml::number_of(*node, key, name_);
  }
  std::int64_t whole(const Map& map, std::string_view key, std::int64_t fallback) const {
    const Node* node = map.find(key);
    if (node == nullptr) return fallback;
    const std::uint64_t value = yaml::unsigned_of(*node, key, name_);
    if (value > (1U << 30)) yaml::fail(name_, node->mark, fmt::format("{} is too large", key));
    return static_cast<std::int64_t>(value);
  }
  bool flag(const Map& map, std::string_view key, bool fallback) const {
    const Node* node = map.find(key);
    if (node == nullptr) return fallback;
    const auto value = to_flag(yaml::text_of(*node, key, name_));
    if (!value) yaml::fail(name_, node->mark, fmt::format("{} is true or false", key));
    return *value;
  }
  std::filesystem::path beside(const std::string& path) const {
    return (path_.parent_path() / path).lexically_normal();
  }

  std::filesystem::path path_;
  std::string name_;
};

}  // namespace

Task parse_task(const std::string& text, const std::filesystem::path& file) {
  const auto documents = yaml::read(text, file.string());
  if (documents.size() != 1 || documents.front() == nullptr) {
    throw Error(ErrorKind::recipe, "a task file has one document").in_file(file.string());
  }
  return Reader(file).read(*documents.front());
}

Task read_task(const std::filesystem::path& file) {
  return parse_task(read_text(file, kMostText), file);
}

std::vector<Task> read_tasks(std::span<const std::string> files) {
  if (files.empty()) throw Error(ErrorKind::usage, "no task is given").hint("--task FILE");
  std::vector<Task> tasks;
  for (const std::string& file : files) {
    Task task = read_task(file);
    for (const Task& other : tasks) {
      if (other.name == task.name) {
        throw Error(ErrorKind::usage, "two tasks are named '" + task.name + "'").in_file(file);
      }
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

const SplitFile& split_of(const Task& task, const std::string& split) {
  const auto found = task.splits.find(split);
  if (found != task.splits.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, spec] : task.splits) names.push_back(name);
  throw Error(ErrorKind::usage, fmt::format("task '{}' has no split '{}'", task.name, split))
      .in_file(task.file.string())
      .hint(fmt::format("it has {}", join(names, ", ")));
}

const char* name_of(Metric metric) {
  switch (metric) {
    case Metric::accuracy:
      return "accuracy";
    case Metric::loss:
      return "loss";
    case Metric::perplexity:
      return "perplexity";
  }
  return "";
}

bool smaller_is_better(Metric metric) { return metric != Metric::accuracy; }

}  // namespace merganser::rt
