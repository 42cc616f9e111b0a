#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"
#include "checkpoint/folder.h"
#include "checkpoint/quantised.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/strided.h"
#include "checkpoint/torch_archive.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestConfig = std::uint64_t{16} << 20;  // bytes

const std::string& name_of(const StoredTensor& tensor) { return tensor.info.name; }

// Throws for whatever the system says about the path.
bool is_folder(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (status.type() == fs::file_type::not_found) {
    if (!fs::is_symlink(fs::symlink_status(path, code))) path_not_found(path);
    return false;  // opening it says that the link leads nowhere
  }
  return status.type() == fs::file_type::directory;
}

// Tensors of all files, sorted by name; those of equal names in the order of the files.
std::vector<StoredTensor> read_headers(const std::vector<std::shared_ptr<const InputFile>>& handles,
                                       std::vector<std::string>& notes) {
  std::vector<StoredTensor> tensors;
  for (std::size_t file = 0; file < handles.size(); ++file) {
    const torch_archive::Form form = torch_archive::form_of_file(*handles[file]);
    if (form != torch_archive::Form::none) {
      torch_archive::Contents contents =
          torch_archive::read_archive(source_of(*handles[file]), form);
      for (torch_archive::Tensor& tensor : contents.tensors) {
        tensors.push_back({std::move(tensor.info), file, tensor.offset, std::move(tensor.strides)});
      }
      std::ranges::move(contents.notes, std::back_inserter(notes));
      continue;
    }
    safetensors::Header header = safetensors::read_header(*handles[file]);
    for (safetensors::Entry& entry : header.entries) {
      tensors.push_back({std::move(entry.info), file, header.size + entry.begin});
    }
  }
  std::ranges::stable_sort(tensors, {}, name_of);
  return tensors;
}

// transformers loads what the index names, from where it says; so do we. What lies in a shard
// unnamed is left out, with a note.
std::vector<StoredTensor> keep_indexed(std::vector<StoredTensor> tensors, const FoundWeights& found,
                                       std::vector<std::string>& notes) {
  const std::string index_name = found.index_path->string();
  const auto file_name = [&](const StoredTensor& tensor) {
    return found.files[tensor.file].filename().string();
  };
  std::vector<StoredTensor> kept;
  std::vector<std::string> unnamed;
  auto at = tensors.begin();
  for (const auto& [name, file] : found.index.weight_map) {
    for (; at != tensors.end() && at->info.name < name; ++at) unnamed.push_back(at->info.name);
    if (at == tensors.end() || at->info.name != name) {
      throw Error(
          ErrorKind::corrupt,
          fmt::format("index says this tensor is in '{}', but it is in none of the files", file))
          .in_file(index_name)
          .in_tensor(name);
    }
    if (file_name(*at) != file) {
      throw Error(ErrorKind::corrupt, fmt::format("index says this tensor is in '{}', but it is in "
                                                  "'{}'",
                                                  file, file_name(*at)))
          .in_file(index_name)
          .in_tensor(name);
    }
    kept.push_back(std::move(*at++));
  }
  for (; at != tensors.end(); ++at) unnamed.push_back(at->info.name);
  if (!unnamed.empty()) {
    const std::size_t shown = std::min<std::size_t>(unnamed.size(), 3);
    notes.push_back(fmt::format("{} tensors in the files are not in the index, left out: {}{}",
                                unnamed.size(), join(std::span(unnamed).first(shown), ", "),
                                shown < unnamed.size() ? ", …" : ""));
  }
  return kept;
}

void refuse_repeats(const std::vector<StoredTensor>& tensors, const FoundWeights& found) {
  const auto twice = std::ranges::adjacent_find(tensors, {}, name_of);
  if (twice == tensors.end()) return;
  throw Error(ErrorKind::corrupt,
              fmt::format("this tensor is stored twice, in '{}' and '{}'",
                          found.files[twice->file].filename().string(),
                          found.files[std::next(twice)->file].filename().string()))
      .in_file(found.index_path ? found.index_path->string() : "")
      .in_tensor(twice->info.name);
}

// "model-00002-of-00003.safetensors", opened by itself.
bool is_shard_name(const std::string& name) {
  return glob_match("*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].*", name);
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& path) {
  Checkpoint result;
  result.path_ = path;
  FoundWeights found;
  if (is_folder(path)) {
    const fs::path config_path = path / "config.json";
    std::error_code code;
    if (fs::exists(fs::symlink_status(config_path, code))) {
      result.config_text_ = read_text(config_path, kLargestConfig);
      // Python's json, which everyone else reads it with, lets the last of equal keys win.
      Json config = parse_json(result.config_text_, config_path.string(), {.allow_repeats = true});
      if (!config.is_object()) {
        throw Error(ErrorKind::corrupt, "config is not a JSON object")
            .in_file(config_path.string());
      }
      refuse_declared_quantisation(config, path);
      result.config_ = std::make_shared<const Json>(std::move(config));
    }
    found = find_weights(path);
  } else {
    const std::string name = path.filename().string();
    if (name.ends_with(".index.json")) {
      throw Error(ErrorKind::usage, "this is the index of a sharded checkpoint")
          .in_file(path.string())
          .hint("give the folder it is in");
    }
    result.single_file_ = true;
    found.files = {path};
    if (is_shard_name(name)) {
      found.notes.push_back("one shard of several, opened alone; give the folder to open them all");
    }
  }

  for (const fs::path& file : found.files) {
    result.handles_.push_back(std::make_shared<const InputFile>(file));
  }
  result.paths_ = found.files;
  result.notes_ = found.notes;
  result.tensors_ = read_headers(result.handles_, result.notes_);
  result.bands_ = std::make_shared<strided::Bands>();
  refuse_repeats(result.tensors_, found);
  if (found.index_path) {
    result.tensors_ = keep_indexed(std::move(result.tensors_), found, result.notes_);
  }
  refuse_quantised_tensors(result.tensors_, path);
  return result;
}

const StoredTensor* Checkpoint::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(tensors_, name, {}, [](const StoredTensor& tensor) {
    return std::string_view(tensor.info.name);
  });
  return at != tensors_.end() && at->info.name == name ? &*at : nullptr;
}

std::vector<TensorInfo> Checkpoint::headers() const {
  std::vector<TensorInfo> infos;
  infos.reserve(tensors_.size());
  for (const StoredTensor& tensor : tensors_) infos.push_back(tensor.info);
  return infos;
}

std::uint64_t Checkpoint::bytes() const {
  std::uint64_t sum = 0;
  for (const StoredTensor& tensor : tensors_) sum += tensor.info.bytes();
  return sum;
}

std::vector<FileIdentity> Checkpoint::identities() const {
  std::vector<FileIdentity> result;
  for (const auto& handle : handles_) result.push_back(handle->identity());
  return result;
}

std::optional<std::filesystem::path> Checkpoint::changed_file() const {
  for (const auto& handle : handles_) {
    if (handle->changed()) return handle->path();
  }
  return std::nullopt;
}

void Checkpoint::read(const StoredTensor& tensor, std::uint64_t begin,
                      std::span<std::byte> out) const {
  assert(begin <= tensor.info.bytes() && out.size() <= tensor.info.bytes() - begin);
  try {
    if (tensor.strides.empty()) return handles_[tensor.file]->read(tensor.offset + begin, out);
    const auto read_at = [&](std::uint64_t offset, std::span<std::byte> to) {
      handles_[tensor.file]->read(tensor.offset + offset, to);
    };
    // Rows that are whole in the file need no band of them.
    if (tensor.strides.back() == 1) {
      strided::gather(tensor.info, tensor.strides, begin, out, read_at);
    } else {
      bands_->read(tensor.info, tensor.strides, begin, out, read_at);
    }
  } catch (Error& error) {
    error.in_tensor(tensor.info.name);
    throw;
  }
}

}  // namespace merganser
