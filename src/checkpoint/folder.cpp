#include "checkpoint/folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/text.h"
#include "checkpoint/hub_cache.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexTail = ".safetensors.index.json";

// Names in the folder, sorted; without hidden ones ("._model.safetensors" is litter of macOS).
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    std::string name = at->path().filename().string();
    if (!name.starts_with('.')) names.push_back(std::move(name));
  }
  if (code) {
    throw Error(ErrorKind::io, fmt::format("cannot list this folder: {}", code.message()))
        .in_file(folder.string());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> ending(const std::vector<std::string>& names, std::string_view tail) {
  std::vector<std::string> found;
  std::ranges::copy_if(names, std::back_inserter(found),
                       [&](const std::string& name) { return name.ends_with(tail); });
  return found;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool present(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code) || code;  // what cannot be examined gives its own error when opened
}

// A few of them, for a message.
std::string some(const std::vector<std::string>& names) {
  constexpr std::size_t most = 5;
  if (names.size() <= most) return join(names, ", ");
  return fmt::format("{} and {} more", join(std::span(names).first(most), ", "),
                     names.size() - most);
}

std::optional<std::string> unfinished_in(const fs::path& folder) {
  std::error_code code;
  for (fs::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    const std::string name = at->path().filename().string();
    for (const std::string_view tail :
         {".incomplete", ".part", ".crdownload", ".aria2", ".partial"}) {
      if (name.ends_with(tail)) return name;
    }
  }
  return std::nullopt;
}

// What the usual download programs leave behind until they are done.
std::optional<std::string> unfinished_download(const fs::path& folder) {
  // The second is where `hf download --local-dir` keeps its state, the third the blobs beside the
  // snapshots/<revision> folders of the cache.
  for (const fs::path& place :
       {folder, folder / ".cache" / "huggingface" / "download", folder / ".." / ".." / "blobs"}) {
    if (const auto name = unfinished_in(place)) return name;
  }
  return std::nullopt;
}

std::string resume_command(const fs::path& folder) {
  std::error_code code;
  fs::path full = fs::absolute(folder, code).lexically_normal();
  for (const fs::path& part : full) {  // …/models--org--name/snapshots/<revision>
    std::string name = part.string();
    if (!name.starts_with("models--")) continue;
    name.erase(0, 8);
    if (const auto dashes = name.find("--"); dashes != name.npos) name.replace(dashes, 2, "/");
    return fmt::format("hf download {}", name);
  }
  return fmt::format("hf download ORG/NAME --local-dir '{}'", folder.string());
}

[[noreturn]] void missing(const fs::path& folder, const std::string& what) {
  if (const auto part = unfinished_download(folder)) {
    throw Error(ErrorKind::not_found,
                fmt::format("{}; its download is unfinished ('{}' is there)", what, *part))
        .in_file(folder.string())
        .hint(
            fmt::format("resume it: {} (older: huggingface-cli download)", resume_command(folder)));
  }
  throw Error(ErrorKind::not_found, what)
      .in_file(folder.string())
      .hint(fmt::format("get it: {}", resume_command(folder)));
}

[[noreturn]] void refuse_other_formats(const fs::path& folder,
                                       const std::vector<std::string>& names) {
  for (const std::string_view tail : {".bin", ".bin.index.json", ".pt", ".pth", ".ckpt"}) {
    for (const std::string& name : ending(names, tail)) {
      if (name == "training_args.bin" || name == "tokenizer.bin" || name == "optimizer.pt" ||
          name == "scheduler.pt") {
        continue;
      }
      throw Error(ErrorKind::unsupported,
                  fmt::format("only a PyTorch archive is here ('{}'), no safetensors", name))
          .in_file(folder.string())
          .hint("convert it: load it in transformers and save_pretrained(…)");
    }
  }
  if (const auto gguf = ending(names, ".gguf"); !gguf.empty()) {
    throw Error(ErrorKind::unsupported,
                fmt::format("only a GGUF file is here ('{}'), no safetensors", gguf.front()))
        .in_file(folder.string())
        .hint("merge the safetensors checkpoint it was made from, then convert the result");
  }
  missing(folder, "no .safetensors file is in this folder");
}

void add_leftovers(FoundWeights& found, const std::vector<std::string>& tensors_files) {
  std::vector<std::string> left;
  for (const std::string& name : tensors_files) {
    const auto same = [&](const fs::path& file) { return file.filename() == name; };
    if (std::ranges::none_of(found.files, same)) left.push_back(name);
  }
  if (!left.empty()) {
    found.notes.push_back(fmt::format("not part of this checkpoint, left out: {}", some(left)));
  }
}

FoundWeights by_index(const fs::path& folder, const std::string& index_name) {
  FoundWeights found;
  found.index_path = folder / index_name;
  found.index = read_index(*found.index_path);
  std::vector<std::string> absent;
  for (const std::string& name : found.index.files) {
    found.files.push_back(folder / name);
    if (!present(found.files.back())) absent.push_back(name);
  }
  if (!absent.empty()) {
    missing(folder, fmt::format("{} of {} files named in {} are missing: {}", absent.size(),
                                found.index.files.size(), index_name, some(absent)));
  }
  return found;
}

}  // namespace

FoundWeights find_weights(const fs::path& folder) {
  const std::vector<std::string> names = names_in(folder);
  const std::vector<std::string> indices = ending(names, kIndexTail);
  const std::vector<std::string> files = ending(names, ".safetensors");
  FoundWeights found;

  if (contains(names, "model.safetensors.index.json")) {
    found = by_index(folder, "model.safetensors.index.json");
  } else if (contains(names, "model.safetensors")) {
    found.files = {folder / "model.safetensors"};
  } else if (contains(names, "adapter_config.json")) {
    throw Error(ErrorKind::unsupported, "this is a LoRA adapter, not a model")
        .in_file(folder.string())
        .hint(
            "LoRA inputs are not merged by this version yet; merge it into its base in PEFT first");
  } else if (indices.size() == 1) {
    found = by_index(folder, indices.front());
  } else if (indices.size() > 1) {
    throw Error(ErrorKind::usage, fmt::format("several indices are here: {}", some(indices)))
        .in_file(folder.string())
        .hint("leave only one, or name it model.safetensors.index.json");
  } else if (files.size() == 1) {
    found.files = {folder / files.front()};
  } else if (files.size() > 1) {
    throw Error(ErrorKind::usage, fmt::format("{} .safetensors files without an index are here: {}",
                                              files.size(), some(files)))
        .in_file(folder.string())
        .hint(
            "give one of the files, or get the model.safetensors.index.json that belongs to them");
  } else {
    refuse_other_formats(folder, names);
  }
  if (!present(found.files.front())) {  // a link into a cache whose blob is not there
    missing(folder, fmt::format("'{}' is a symbolic link to something that does not exist",
                                found.files.front().filename().string()));
  }
  add_leftovers(found, files);
  return found;
}

void path_not_found(const fs::path& path) {
  Error error(ErrorKind::not_found, "no such file or folder");
  error.in_file(path.string());
  const std::string name = path.string();
  if (is_hub_name(name) && name.find('/') != name.npos) {
    error.hint(
        fmt::format("nor is it in the hub's cache; to get it: {}", download_command(name, "")));
  }
  throw error;
}

}  // namespace merganser
