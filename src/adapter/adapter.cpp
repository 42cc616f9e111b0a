#include "adapter/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

#include "adapter/module.h"
#include "adapter/names.h"
#include "base/error.h"
#include "base/file.h"
#include "checkpoint/folder.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "adapter_config.json";
constexpr std::uint64_t kLargestConfig = std::uint64_t{16} << 20;  // bytes

bool present(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code) || code;  // what cannot be examined gives its own error when opened
}

// A single file of weights without a config: says which program's it is.
[[noreturn]] void refuse_file(const fs::path& path) {
  const Checkpoint weights = Checkpoint::open(path);
  for (const StoredTensor& tensor : weights.tensors()) {
    try {
      parse_adapter_name(tensor.info.name);
    } catch (Error& error) {
      throw error.in_file(path.string());
    }
  }
  throw Error(ErrorKind::usage, fmt::format("an adapter is a folder with {}", kConfigFile))
      .in_file(path.string())
      .hint("give the folder that PEFT wrote");
}

fs::path find_folder(const fs::path& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) return path;
  if (!present(path)) path_not_found(path);
  const fs::path folder = path.parent_path();
  if (path.filename().string().starts_with("adapter_model.") && present(folder / kConfigFile)) {
    return folder;
  }
  refuse_file(path);
}

fs::path find_weights_file(const fs::path& folder) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
    if (present(folder / name)) return folder / name;
  }
  throw Error(ErrorKind::not_found, "no adapter_model.safetensors is in this folder")
      .in_file(folder.string())
      .hint("an adapter is adapter_config.json and adapter_model.safetensors, as PEFT writes them");
}

void refuse_folder_without_config(const fs::path& folder) {
  const fs::path diffusers = folder / "pytorch_lora_weights.safetensors";
  if (present(diffusers)) refuse_file(diffusers);
  throw Error(ErrorKind::not_found, fmt::format("no {} is in this folder", kConfigFile))
      .in_file(folder.string())
      .hint("an adapter is adapter_config.json and adapter_model.safetensors, as PEFT writes them");
}

// Sorts the file's tensors into modules and whole tensors.
class Sorter {
 public:
  explicit Sorter(const Checkpoint& weights) : weights_(weights) {}

  void add(std::size_t index) {
    const std::string& stored = weights_.tensors()[index].info.name;
    AdapterName name = parse_adapter_name(stored);
    same_adapter(name, stored);
    if (name.part == AdapterName::Part::original) {
      originals_.emplace_back(std::move(name.module), index);
    } else if (name.part == AdapterName::Part::whole) {
      auto& places = name.saved ? again_ : whole_;
      if (!places.emplace(std::move(name.module), index).second) twice(stored);
    } else if (!modules[std::move(name.module)].add(name.part, index)) {
      twice(stored);
    }
  }

  // What stands only under modules_to_save is the tensor itself; else it repeats it.
  void finish(std::vector<AdapterTensor>& replaced, std::vector<std::size_t>& unread) {
    for (auto& [name, index] : again_) {
      if (!whole_.emplace(name, index).second) unread.push_back(index);
    }
    for (const auto& [name, index] : originals_) {
      if (!whole_.contains(name)) {
        throw Error(ErrorKind::corrupt, "the original of a module that the adapter does not hold")
            .in_tensor(weights_.tensors()[index].info.name);
      }
      unread.push_back(index);
    }
    for (const auto& [name, index] : whole_) replaced.push_back({name, index});
  }

  std::map<std::string, ModuleParts> modules;

 private:
  [[noreturn]] static void twice(const std::string& stored) {
    throw Error(ErrorKind::corrupt, "a second tensor for the same part of a module")
        .in_tensor(stored);
  }

  void same_adapter(const AdapterName& name, const std::string& stored) {
    if (name.adapter.empty()) return;
    if (adapter_.empty()) adapter_ = name.adapter;
    if (adapter_ == name.adapter) return;
    throw Error(
        ErrorKind::unsupported,
        fmt::format("the file holds several adapters: '{}' and '{}'", adapter_, name.adapter))
        .in_tensor(stored)
        .hint("save one of them alone in PEFT: save_pretrained(…, selected_adapters=[…])");
  }

  const Checkpoint& weights_;
  std::string adapter_;
  std::map<std::string, std::size_t> whole_, again_;
  std::vector<std::pair<std::string, std::size_t>> originals_;
};

}  // namespace

Adapter Adapter::open(const fs::path& path) {
  const fs::path folder = find_folder(path);
  const fs::path config_path = folder / kConfigFile;
  if (!present(config_path)) refuse_folder_without_config(folder);
  std::string text = read_text(config_path, kLargestConfig);
  AdapterConfig config = parse_adapter_config(text, config_path.string());
  Adapter adapter =
      from(Checkpoint::open(find_weights_file(folder)), std::move(config), config_path.string());
  adapter.config_text_ = std::move(text);
  return adapter;
}

Adapter Adapter::from(Checkpoint weights, AdapterConfig config, std::string config_path) {
  Adapter adapter(std::move(weights));
  adapter.config_ = std::move(config);
  const std::string file = adapter.weights_.files().front().string();
  try {
    Sorter sorter(adapter.weights_);
    for (std::size_t i = 0; i < adapter.weights_.tensors().size(); ++i) sorter.add(i);
    sorter.finish(adapter.replaced_, adapter.unread_);
    refuse_endless_matching(adapter.config_, sorter.modules.size(), config_path);
    for (const auto& [name, parts] : sorter.modules) {
      adapter.modules_.push_back(make_module(name, parts, adapter.weights_, adapter.config_));
    }
  } catch (Error& error) {
    if (error.file().empty()) error.in_file(file);
    throw;
  }
  if (adapter.modules_.empty() && adapter.replaced_.empty()) {
    throw Error(ErrorKind::corrupt, "the adapter holds no tensors").in_file(file);
  }
  return adapter;
}

}  // namespace merganser
