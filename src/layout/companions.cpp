#include "layout/companions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "layout/names.h"
#include "source/task_source.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> tails) {
  return std::ranges::any_of(tails, [&](std::string_view tail) { return name.ends_with(tail); });
}

// The first bytes of an ordinary file; what cannot be read is reported when it is copied.
std::string beginning(const fs::path& path, std::size_t most) {
  try {
    const InputFile file(path);
    std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(most, file.size())), '\0');
    file.read(0, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  } catch (const Error&) {
    return {};
  }
}

// ".bin" says little: it is an archive of PyTorch's if it is a zip file or a pickle.
bool is_torch_archive(const fs::path& path) {
  const std::string bytes = beginning(path, 4);
  return bytes.starts_with("PK\x03\x04") ||
         (bytes.size() >= 2 && bytes[0] == '\x80' && bytes[1] >= '\x02' && bytes[1] <= '\x05');
}

// A file at the top of the folder. Nested ones belong to other parts of the model (2_Dense/).
std::optional<std::string> reason_against_file(const std::string& name, const fs::path& path) {
  const std::string small = lower(name);
  if (small == lower(names::kCard)) return "the output has its own card";
  if (small == names::kRecipe || small == names::kProvenance || small == "mergekit_config.yml") {
    return "tells of an earlier merge";
  }
  if (small == names::kJournal || small == names::kFactors || small == names::kFactorsJournal) {
    return "belongs to an unfinished merge";
  }
  if (ends_with_any(small, {".safetensors"})) return "weights: the output has its own";
  if (ends_with_any(small, {".safetensors.index.json", ".bin.index.json", ".h5.index.json",
                            ".msgpack.index.json"})) {
    return "index of weights: the output has its own";
  }
  if (ends_with_any(small, {".pt", ".pth", ".ckpt", ".gguf", ".ggml", ".h5", ".msgpack", ".onnx",
                            ".onnx_data", ".ot", ".tflite", ".nemo"})) {
    return "weights or training state in another format: not those of the output";
  }
  if (small.ends_with(".bin") && (glob_match("pytorch_model*", small) ||
                                  small == "adapter_model.bin" || is_torch_archive(path))) {
    return "weights or training state in another format: not those of the output";
  }
  if (small == names::kTraining) return "tells of the training of one input";
  // A loader that sees it would look for the adapter's weights.
  if (small == "adapter_config.json") return "belongs to an adapter";
  if (small == kTaskFile) return "tells of the masks of an earlier merge";
  return std::nullopt;
}

std::optional<std::string> reason_against_folder(const std::string& name, const fs::path& path) {
  static const std::set<std::string> converted = {"onnx", "openvino", "coreml", "original", "gguf"};
  if (converted.contains(lower(name))) {
    return "the weights in another format: not those of the output";
  }
  std::error_code ignored;
  if (glob_match("checkpoint-*", name) && fs::exists(path / "trainer_state.json", ignored)) {
    return "state of the training";
  }
  return std::nullopt;
}

class Finder {
 public:
  explicit Finder(const Plan& plan) : plan_(plan), root_(plan.origin().path) {
    std::error_code code;
    for (const PlanModel* model : plan.checkpoints()) {
      const fs::path place = fs::canonical(model->path, code);
      if (!code) inputs_.insert(place);
    }
  }

  Companions run() {
    visit("");
    const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
    std::ranges::sort(found_.copied, by_name);
    std::ranges::sort(found_.left_out, by_name);
    return std::move(found_);
  }

 private:
  void visit(const std::string& folder) {
    std::vector<fs::directory_entry> entries;
    std::error_code code;
    for (fs::directory_iterator at(root_ / folder, code), end; !code && at != end;
         at.increment(code)) {
      entries.push_back(*at);
    }
    if (code) {
      throw Error(ErrorKind::io, fmt::format("cannot list this folder: {}", code.message()))
          .in_file((root_ / folder).string());
    }
    for (const fs::directory_entry& entry : entries) {
      add(folder, entry.path().filename().string(), entry.path());
    }
  }

  void add(const std::string& folder, const std::string& base, const fs::path& path) {
    const std::string name = folder + base;
    std::error_code code;
    const bool link = fs::is_symlink(fs::symlink_status(path, code));
    const fs::file_status status = fs::status(path, code);
    const std::string shown = fs::is_directory(status) ? name + "/" : name;
    if (base.starts_with('.')) return leave_out(shown, "hidden");
    if (fs::is_directory(status)) {
      // A link to a folder may lead back to here, or to the whole disk.
      if (link) return leave_out(shown, "a link to a folder");
      if (inputs_.contains(fs::canonical(path, code))) {
        return leave_out(shown, "another input of this merge");
      }
      if (folder.empty()) {
        if (const auto reason = reason_against_folder(base, path)) {
          return leave_out(shown, *reason);
        }
      }
      return visit(name + "/");
    }
    if (!fs::exists(status)) return warn(name, "a link to something that is not there");
    if (!fs::is_regular_file(status)) return warn(name, "neither a file nor a folder");
    if (folder.empty()) {
      if (base == names::kConfig && config_changed(plan_)) return;
      if (const auto reason = reason_against_file(base, path)) return leave_out(name, *reason);
    }
    const std::uint64_t bytes = fs::file_size(path, code);
    found_.copied.push_back({name, code ? 0 : bytes});
    if (bytes < 1024 && beginning(path, 40).starts_with("version https://git-lfs")) {
      found_.notes.push_back(
          fmt::format("'{}' is a Git-LFS pointer, not the file itself: run git lfs pull in the "
                      "input's folder",
                      printable(name)));
    }
  }

  void leave_out(std::string name, std::string reason) {
    found_.left_out.push_back({std::move(name), std::move(reason)});
  }

  void warn(const std::string& name, const std::string& reason) {
    found_.notes.push_back(fmt::format("'{}' is not copied: {}", printable(name), reason));
    leave_out(name, reason);
  }

  const Plan& plan_;
  fs::path root_;
  std::set<fs::path> inputs_;
  Companions found_;
};

}  // namespace

bool config_changed(const Plan& plan) {
  // As the file that would be copied has it.
  const Json* stored = plan.origin().file->checkpoint().config();
  return plan.config != nullptr && (stored == nullptr || *plan.config != *stored);
}

Companions find_companions(const Plan& plan) {
  if (plan.origin().single_file()) return {};
  return Finder(plan).run();
}

void copy_companions(const Plan& plan, const Companions& companions, const fs::path& folder) {
  const fs::path& root = plan.origin().path;
  std::set<fs::path> folders;
  for (const CompanionFile& file : companions.copied) {
    const fs::path to = folder / file.name;
    for (fs::path at = fs::path(file.name).parent_path(); !at.empty(); at = at.parent_path()) {
      folders.insert(folder / at);
    }
    std::error_code code;
    fs::create_directories(to.parent_path(), code);
    if (code) {
      throw Error(ErrorKind::io, fmt::format("cannot create this folder: {}", code.message()))
          .in_file(to.parent_path().string());
    }
    merganser::copy_file(root / file.name, to);
  }
  for (const fs::path& made : folders) sync_folder(made);
}

}  // namespace merganser
