#include "checkpoint/folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/torch_archive.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSafetensors = "model.safetensors", kArchive = "pytorch_model.bin";

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

// What cannot be read gives its own error if it is chosen.
bool is_archive(const fs::path& path) {
  try {
    const InputFile file(path);
    return torch_archive::form_of_file(file) != torch_archive::Form::none;
  } catch (const Error&) {
    return false;
  }
}

// A few of them, for a message.
std::string some(const std::vector<std::string>& names) {
  constexpr std::size_t most = 5;
  if (names.size() <= most) return join(names, ", ");
  return fmt::format("{} and {} more", join(std::span(names).first(most), ", "),
                     names.size() - most);
}

// PyTorch archives, but for those that hold no weights. ".bin" says little, so it is looked into;
// the name of the usual one is enough, so that a broken one is not passed over.
std::vector<std::string> archives_in(const fs::path& folder,
                                     const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    const auto fits = [&](std::string_view pattern) { return glob_match(pattern, name); };
    constexpr std::array<std::string_view, 11> no_weights = {"training_args.bin",
                                                             "optimizer*",
                                                             "scheduler*",
                                                             "scaler*",
                                                             "rng_state*",
                                                             "random_states*",
                                                             "*_optim_states.pt",
                                                             "tokenizer*.bin",
                                                             "adapter_model.bin",
                                                             "trainer_state*",
                                                             "pytorch_lora_weights.bin"};
    if (std::ranges::any_of(no_weights, fits)) continue;
    const bool tail = name.ends_with(".pt") || name.ends_with(".pth") || name.ends_with(".ckpt");
    if (tail || (name.ends_with(".bin") && (fits("pytorch_model*") || is_archive(folder / name)))) {
      found.push_back(name);
    }
  }
  return found;
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

void add_leftovers(FoundWeights& found, const std::vector<std::string>& safetensors,
                   const std::vector<std::string>& archives) {
  std::vector<std::string> files = safetensors, left;
  files.insert(files.end(), archives.begin(), archives.end());
  for (const std::string& name : files) {
    const auto same = [&](const fs::path& file) { return file.filename() == name; };
    if (std::ranges::none_of(found.files, same)) left.push_back(name);
  }
  if (!left.empty()) {
    found.notes.push_back(fmt::format("not part of this checkpoint, left out: {}", some(left)));
  }
}

// By its index or as one file; what keeps it from being whole goes into `incomplete`.
struct Search {
  const fs::path& folder;
  const std::vector<std::string>& names;
  std::string incomplete = {};

  std::optional<FoundWeights> by_index(const std::string& index_name) {
    FoundWeights found;
    found.index_path = folder / index_name;
    found.index = read_index(*found.index_path);
    std::vector<std::string> absent;
    for (const std::string& name : found.index.files) {
      found.files.push_back(folder / name);
      if (!present(found.files.back())) absent.push_back(name);
    }
    if (absent.empty()) return found;
    if (incomplete.empty()) {
      incomplete = fmt::format("{} of {} files named in {} are missing: {}", absent.size(),
                               found.index.files.size(), index_name, some(absent));
    }
    return std::nullopt;
  }

  // The names that transformers looks for: `single`, or an index of that name.
  std::optional<FoundWeights> standard(std::string_view single) {
    const std::string index_name = fmt::format("{}.index.json", single);
    if (contains(names, index_name)) {
      if (auto found = by_index(index_name)) return found;
    }
    if (!contains(names, single)) return std::nullopt;
    FoundWeights found;
    found.files = {folder / single};
    return found;
  }

  // The only index, or the only file, of those of other names.
  std::optional<FoundWeights> other(const std::vector<std::string>& indices,
                                    const std::vector<std::string>& files) {
    if (indices.size() == 1) return by_index(indices.front());
    if (!indices.empty() || files.size() != 1) return std::nullopt;
    if (is_shard(files.front())) {
      incomplete = fmt::format("only '{}' is here, one shard of several, and no index of them",
                               files.front());
      return std::nullopt;
    }
    FoundWeights found;
    found.files = {folder / files.front()};
    return found;
  }

  static bool is_shard(const std::string& name) {
    return glob_match("*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].*", name) &&
           !glob_match("*-00001-of-00001.*", name);
  }
};

[[noreturn]] void refuse_several(const fs::path& folder, const std::vector<std::string>& indices,
                                 const std::vector<std::string>& files, std::string_view kind,
                                 std::string_view standard) {
  if (!indices.empty()) {
    throw Error(ErrorKind::usage, fmt::format("several indices are here: {}", some(indices)))
        .in_file(folder.string())
        .hint(fmt::format("leave only one, or name it {}.index.json", standard));
  }
  throw Error(ErrorKind::usage,
              fmt::format("{} {} without an index are here: {}", files.size(), kind, some(files)))
      .in_file(folder.string())
      .hint(fmt::format("give one of the files, or get the {}.index.json that belongs to them",
                        standard));
}

[[noreturn]] void refuse_other_formats(const fs::path& folder,
                                       const std::vector<std::string>& names) {
  if (const auto gguf = ending(names, ".gguf"); !gguf.empty()) {
    throw Error(ErrorKind::unsupported,
                fmt::format("only a GGUF file is here ('{}'), no safetensors", gguf.front()))
        .in_file(folder.string())
        .hint("merge the safetensors checkpoint it was made from, then convert the result");
  }
  missing(folder, "no .safetensors file is in this folder, and no PyTorch archive");
}

}  // namespace

FoundWeights find_weights(const fs::path& folder) {
  const std::vector<std::string> names = names_in(folder);
  const std::vector<std::string> indices = ending(names, ".safetensors.index.json");
  const std::vector<std::string> files = ending(names, ".safetensors");
  const std::vector<std::string> archives = archives_in(folder, names);
  const std::vector<std::string> archive_indices = ending(names, ".bin.index.json");
  const bool adapter = contains(names, "adapter_config.json");
  Search search{folder, names};

  std::optional<FoundWeights> found = search.standard(kSafetensors);
  // Beside the index of absent files its other shards are no whole model.
  const bool others = !adapter && search.incomplete.empty();
  if (!found && others) found = search.other(indices, files);
  if (!found) found = search.standard(kArchive);
  if (!found && adapter && search.incomplete.empty()) {
    throw Error(ErrorKind::unsupported, "this is a LoRA adapter, not a model")
        .in_file(folder.string())
        .hint("name it with its base: BASE+ADAPTER");
  }
  if (!found && others && search.incomplete.empty()) {
    if (indices.size() > 1 || files.size() > 1) {
      refuse_several(folder, indices, files, ".safetensors files", kSafetensors);
    }
    found = search.other(archive_indices, archives);
    if (!found && search.incomplete.empty() &&
        (archive_indices.size() > 1 || archives.size() > 1)) {
      refuse_several(folder, archive_indices, archives, "PyTorch archives", kArchive);
    }
  }
  if (!found && !search.incomplete.empty()) missing(folder, search.incomplete);
  if (!found) refuse_other_formats(folder, names);
  const std::string first = found->files.front().filename().string();
  if (!present(found->files.front())) {  // a link into a cache whose blob is not there
    missing(folder, fmt::format("'{}' is a symbolic link to something that does not exist", first));
  }
  if (!search.incomplete.empty()) {
    found->notes.push_back(
        fmt::format("{}; {} is read instead", search.incomplete,
                    found->index_path ? found->index_path->filename().string() : first));
  }
  add_leftovers(*found, files, archives);
  return *std::move(found);
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
