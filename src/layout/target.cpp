// Whether a target may be written to, asked before any work.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "layout/leftovers.h"
#include "layout/output_folder.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

Error usage(std::string what, const fs::path& target) {
  return Error(ErrorKind::usage, std::move(what)).in_file(target.string());
}

// Both canonical. A path lies in itself.
bool lies_in(const fs::path& inner, const fs::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

void check_against(const fs::path& target, const fs::path& shown, const fs::path& input,
                   const std::string& name) {
  if (target == input) {
    throw usage(fmt::format("the output is the input '{}'", name), shown)
        .hint("choose another name");
  }
  if (lies_in(target, input)) {
    throw usage(fmt::format("the output lies in the input '{}'", name), shown)
        .hint("choose a place outside of it");
  }
  if (lies_in(input, target)) {
    throw usage(fmt::format("the output would take the place of the folder that holds the input "
                            "'{}'",
                            name),
                shown)
        .hint("choose another name");
  }
}

void check_inputs(std::span<const TargetInput> inputs, const fs::path& target,
                  const fs::path& shown) {
  for (const TargetInput& input : inputs) {
    for (const fs::path& path : input.places) {
      std::error_code code;
      const fs::path place = fs::canonical(path, code);
      if (!code) check_against(target, shown, place, input.name);
    }
  }
}

std::vector<TargetInput> inputs_of(const Plan& plan) {
  std::vector<TargetInput> inputs;
  for (const PlanModel* model : plan.checkpoints()) {
    TargetInput input{model->ref.to_string(), {model->path}};
    if (!model->adapter_path.empty()) input.places.push_back(model->adapter_path);
    for (const auto& other : model->also_read) {
      input.places.push_back(other->checkpoint().path());
    }
    // Weights may be links into another folder, as in the hub's cache.
    const auto& files = model->file->checkpoint().files();
    input.places.insert(input.places.end(), files.begin(), files.end());
    inputs.push_back(std::move(input));
  }
  return inputs;
}

bool ends_with_slash(const fs::path& path) {
  return !path.empty() && !path.has_filename() && path.has_relative_path();
}

void check_kind(bool single_file, const fs::path& target, const fs::path& shown,
                fs::file_status status) {
  const bool there = fs::exists(status);
  if (single_file) {
    if (fs::is_directory(status) || ends_with_slash(shown)) {
      throw usage("this is a folder, but the inputs are single files, and so is the output", shown)
          .hint("name a .safetensors file");
    }
    for (const char* extension : {".bin", ".pt", ".pth", ".ckpt"}) {
      if (target.extension() != extension) continue;
      throw usage("what is written is a safetensors file; this name says otherwise", shown)
          .hint("name a .safetensors file");
    }
  } else if (fs::is_regular_file(status)) {
    throw usage("this is a file, but the output is a folder", shown).hint("choose another name");
  } else if (target.extension() == ".safetensors") {
    throw usage("the output is a folder, as the inputs are; this is the name of a file", shown)
        .hint("leave out .safetensors");
  }
  if (there && !fs::is_regular_file(status) && !fs::is_directory(status)) {
    throw usage("there is something here that is neither a file nor a folder", shown);
  }
}

void check_existing(bool single_file, const fs::path& target, const fs::path& shown, bool replace) {
  std::error_code ignored;
  const auto is_there = [&](const fs::path& path) {
    return fs::exists(fs::symlink_status(path, ignored));
  };
  if (!replace) {
    std::vector<fs::path> made = {target};
    if (single_file) made.push_back(provenance_beside(target));
    for (const fs::path& path : made) {
      if (!is_there(path)) continue;
      throw usage("the output exists already", path == target ? shown : path)
          .hint("choose another name, or replace it with --force");
    }
  } else if (fs::is_directory(target, ignored)) {
    const fs::path here = fs::current_path(ignored);
    if (!ignored && lies_in(fs::weakly_canonical(here, ignored), target)) {
      throw usage("the working folder lies in this one, which would be replaced", shown)
          .hint("run it from somewhere else");
    }
  }
}

void check_parent(const fs::path& target, const fs::path& shown) {
  const fs::path parent = target.parent_path();
  std::error_code ignored;
  if (!fs::is_directory(parent, ignored)) {
    throw usage(fmt::format("there is no folder '{}' to put it in", parent.string()), shown)
        .hint("create it first");
  }
  if (::access(parent.c_str(), W_OK | X_OK) != 0) {
    throw Error(ErrorKind::io, fmt::format("cannot write to the folder '{}': {}", parent.string(),
                                           std::generic_category().message(errno)))
        .in_file(shown.string());
  }
}

}  // namespace

fs::path resolve_target(const fs::path& target) {
  if (target.empty()) throw Error(ErrorKind::usage, "the output has no name");
  const auto check = [&](const std::error_code& code) {
    if (!code) return;
    throw Error(ErrorKind::io, fmt::format("cannot find this place: {}", code.message()))
        .in_file(target.string());
  };
  std::error_code code;
  fs::path place = fs::weakly_canonical(fs::absolute(target), code);
  check(code);
  if (!place.has_filename() && place.has_relative_path()) place = place.parent_path();
  // After "absent/../link" the link is still to be followed.
  if (fs::exists(place, code)) place = fs::canonical(place, code);
  check(code);
  if (!place.has_filename()) {
    throw usage("the output cannot be the root of the file system", target);
  }
  return place;
}

void check_target(std::span<const TargetInput> inputs, bool single_file, std::uint64_t bytes,
                  const fs::path& target, bool replace) {
  const fs::path place = resolve_target(target);
  check_inputs(inputs, place, target);
  std::error_code ignored;
  check_kind(single_file, place, target, fs::status(place, ignored));
  check_existing(single_file, place, target, replace);
  check_parent(place, target);
  // What a killed run left is removed before anything is written, or is part of the output.
  const std::uint64_t room = free_space(place.parent_path()) + leftover_bytes(place);
  if (bytes > room) {
    throw Error(ErrorKind::io,
                fmt::format("not enough disk space: the output needs {}, {} are free",
                            human_bytes(bytes), human_bytes(room)))
        .in_file(target.string());
  }
}

void check_target(const Plan& plan, const fs::path& target, bool replace, std::uint64_t aside) {
  check_target(inputs_of(plan), plan.single_file,
               plan.bytes_written + companion_bytes(plan) + aside, target, replace);
}

}  // namespace merganser
