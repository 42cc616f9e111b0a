#include "plan/run_identity.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/hashed_lines.h"

namespace merganser {
namespace {

constexpr int kFormat = 1;

Json to_json(const RunIdentity& identity, std::string_view kind) {
  Json inputs = Json::array();
  for (const FileIdentity& file : identity.inputs) {
    inputs.push_back({{"path", file.path.string()},
                      {"size", file.size},
                      {"inode", file.inode},
                      {"mtime_ns", file.mtime_ns}});
  }
  Json line;
  line[std::string(kind)] = kFormat;
  line["merge"] = identity.merge;
  line["inputs"] = std::move(inputs);
  return line;
}

[[noreturn]] void refuse(std::string what, const std::string& file) {
  throw Error(ErrorKind::mismatch, std::move(what))
      .in_file(file)
      .hint("merge from the start: leave out --resume");
}

void compare(const Json& line, const RunIdentity& identity, std::string_view kind,
             const std::string& name) {
  const Json ours = to_json(identity, kind);
  if (line.at(std::string(kind)) != kFormat || line.at("merge") != ours.at("merge")) {
    refuse("the unfinished run was another merge: its recipe, options, configs or program differ",
           name);
  }
  const Json &then = line.at("inputs"), &now = ours.at("inputs");
  for (std::size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
    if (i >= now.size() || i >= then.size() || then[i].at("path") != now[i].at("path")) {
      refuse("the unfinished run read other files", name);
    }
    if (then[i] != now[i]) {
      refuse("it was changed since the unfinished run read it", identity.inputs[i].path.string());
    }
  }
}

}  // namespace

std::vector<FileIdentity> input_identities(const Plan& plan) {
  std::vector<FileIdentity> found;
  for (const PlanModel* model : plan.checkpoints()) {
    std::vector<std::shared_ptr<const FileSource>> all = {model->file};
    all.insert(all.end(), model->also_read.begin(), model->also_read.end());
    for (const auto& file : all) {
      for (FileIdentity& one : file->checkpoint().identities()) {
        one.path = std::filesystem::absolute(one.path).lexically_normal();
        found.push_back(std::move(one));
      }
    }
  }
  return found;
}

std::string identity_line(const RunIdentity& identity, std::string_view kind) {
  return hashed_line(to_json(identity, kind));
}

std::size_t check_identity(std::string_view text, const RunIdentity& identity,
                           std::string_view kind, const std::string& name) {
  std::size_t at = 0;
  const auto first = next_hashed_line(text, at, name);
  if (!first) throw Error(ErrorKind::corrupt, "this is no journal").in_file(name);
  try {
    compare(*first, identity, kind, name);
  } catch (const Json::exception&) {
    throw Error(ErrorKind::corrupt, "this is no journal of this program").in_file(name);
  }
  return at;
}

}  // namespace merganser
