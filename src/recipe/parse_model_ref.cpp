// The two ways to name a model.
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "recipe/parse.h"
#include "recipe/parse_parts.h"

namespace merganser {
namespace {

struct PathAndRevision {
  std::string path, revision;
};

PathAndRevision split_revision(std::string_view part, std::string_view whole) {
  const std::vector<std::string_view> pieces = split(part, '@');
  const auto refuse = [&](std::string_view why) -> Error {
    return Error(ErrorKind::recipe,
                 fmt::format("{} in the model reference {}", why, yaml::quoted(whole)))
        .hint(
            "the form is path@revision+lora@revision; a path that holds @ or + is written as "
            "{model: {path: …}}");
  };
  if (pieces.size() > 2) throw refuse("more than one '@'");
  if (pieces[0].empty()) throw refuse("an empty path");
  if (pieces.size() == 2 && pieces[1].empty()) throw refuse("an empty revision");
  return {std::string(pieces[0]), pieces.size() == 2 ? std::string(pieces[1]) : std::string()};
}

// `scale`: of an adapter; null for a model, which has none.
PathAndRevision parse_path_node(const yaml::Node& node, std::string_view what,
                                const std::string& file, double* scale = nullptr) {
  if (node.kind == yaml::Node::Kind::scalar) {
    try {
      return split_revision(node.text, node.text);
    } catch (Error& error) {
      throw error.in_file(file).at(node.mark.line, node.mark.column);
    }
  }
  const yaml::Map map = scale == nullptr
                            ? yaml::Map(node, what, {"path", "revision"}, file)
                            : yaml::Map(node, what, {"path", "revision", "scale"}, file);
  PathAndRevision parsed;
  const yaml::Node& path = map.require("path");
  parsed.path = yaml::text_of(path, "path", file);
  if (parsed.path.empty()) yaml::fail(file, path.mark, "the path of a model is empty");
  if (const yaml::Node* revision = map.find("revision")) {
    parsed.revision = yaml::text_of(*revision, "revision", file);
  }
  if (const yaml::Node* factor = scale == nullptr ? nullptr : map.find("scale")) {
    *scale = yaml::number_of(*factor, "scale", file);
  }
  return parsed;
}

}  // namespace

ModelRef parse_model_ref(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '+');
  if (parts.size() > 2) {
    throw Error(ErrorKind::recipe,
                fmt::format("more than one '+' in the model reference {}", yaml::quoted(text)))
        .hint("a path that holds + is written as {model: {path: …}}");
  }
  ModelRef ref;
  const PathAndRevision model = split_revision(parts[0], text);
  ref.path = model.path;
  ref.revision = model.revision;
  if (parts.size() == 2) {
    const PathAndRevision lora = split_revision(parts[1], text);
    ref.lora_path = lora.path;
    ref.lora_revision = lora.revision;
  }
  return ref;
}

ModelRef parse_model_node(const yaml::Node& node, const std::string& file) {
  ModelRef ref;
  if (node.kind == yaml::Node::Kind::scalar) {
    try {
      ref = parse_model_ref(node.text);
    } catch (Error& error) {
      throw error.in_file(file).at(node.mark.line, node.mark.column);
    }
    ref.mark = node.mark;
    return ref;
  }
  if (node.kind == yaml::Node::Kind::mapping) {
    for (const yaml::Entry& entry : node.entries) {
      if (entry.key == "path" || entry.key == "revision") {
        yaml::fail(file, entry.mark,
                   fmt::format("'{}' stands one level too high in a model reference", entry.key),
                   "write {model: {path: …, revision: …}}");
      }
    }
  } else {
    yaml::fail(file, node.mark,
               fmt::format("a model must be named by text or a mapping, not {}", describe(node)));
  }
  const yaml::Map map(node, "a model reference",
                      {"model", "lora", "override_architecture", "task", "base"}, file);
  const PathAndRevision model = parse_path_node(map.require("model"), "the model's place", file);
  ref.path = model.path;
  ref.revision = model.revision;
  if (const yaml::Node* lora_node = map.find("lora")) {
    const PathAndRevision lora =
        parse_path_node(*lora_node, "the adapter's place", file, &ref.lora_scale);
    ref.lora_path = lora.path;
    ref.lora_revision = lora.revision;
  }
  if (const yaml::Node* name = map.find("override_architecture")) {
    ref.override_architecture = yaml::text_of(*name, "override_architecture", file);
  }
  if (const yaml::Node* task = map.find("task")) {
    ref.task = yaml::text_of(*task, "task", file);
    if (ref.task.empty()) yaml::fail(file, task->mark, "the task's name is empty");
    if (!ref.lora_path.empty()) {
      yaml::fail(file, task->mark, "a task of a task-switched output takes no adapter",
                 "materialise the task first: merganser materialise FOLDER TASK OUTPUT");
    }
  }
  if (const yaml::Node* base = map.find("base")) {
    if (ref.task.empty()) {
      yaml::fail(file, base->mark, "'base' belongs to a 'task', and there is none");
    }
    ref.task_base = yaml::text_of(*base, "base", file);
  }
  ref.mark = node.mark;
  return ref;
}

}  // namespace merganser
