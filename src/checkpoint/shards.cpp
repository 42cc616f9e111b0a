#include "checkpoint/shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/error.h"
#include "base/text.h"
#include "checkpoint/safetensors.h"

namespace merganser {
namespace {

// Larger elements first, then name: each tensor then begins at a multiple of its element size, as
// the header ends at a multiple of 8.
void sort_by_alignment(std::vector<std::size_t>& order, std::span<const TensorInfo> tensors) {
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const std::size_t size_a = size_of(tensors[a].dtype), size_b = size_of(tensors[b].dtype);
    return size_a != size_b ? size_a > size_b : tensors[a].name < tensors[b].name;
  });
}

}  // namespace

std::uint64_t ShardPlan::bytes() const {
  std::uint64_t sum = 0;
  for (const File& file : files) sum += file.size;
  return sum;
}

std::string ShardPlan::index_text(std::span<const TensorInfo> tensors) const {
  nlohmann::json map = nlohmann::json::object();  // sorts its keys, unlike Json
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    map[tensors[i].name] = files[spots[i].file].name;
  }
  const nlohmann::json index = {{"metadata", {{"total_size", data_bytes}}}, {"weight_map", map}};
  return index.dump(2) + "\n";
}

ShardPlan plan_shards(std::span<const TensorInfo> tensors, std::uint64_t max_shard,
                      const std::string& single_name) {
  ShardPlan plan;
  plan.files.emplace_back();
  std::uint64_t filled = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t bytes = tensors[i].bytes();
    const bool full = filled > max_shard || bytes > max_shard - filled;
    if (full && bytes != 0 && !plan.files.back().tensors.empty()) {
      plan.files.emplace_back();
      filled = 0;
    }
    plan.files.back().tensors.push_back(i);
    filled += bytes;
    plan.data_bytes += bytes;
  }

  plan.spots.resize(tensors.size());
  for (std::size_t f = 0; f < plan.files.size(); ++f) {
    ShardPlan::File& file = plan.files[f];
    file.name = plan.files.size() == 1
                    ? single_name
                    : fmt::format("model-{:05}-of-{:05}.safetensors", f + 1, plan.files.size());
    sort_by_alignment(file.tensors, tensors);
    std::vector<TensorInfo> infos;
    for (const std::size_t i : file.tensors) infos.push_back(tensors[i]);
    file.header = safetensors::make_header(infos, {{"format", "pt"}});
    file.size = file.header.size();
    for (const std::size_t i : file.tensors) {
      plan.spots[i] = {f, file.size};
      file.size += tensors[i].bytes();
    }
  }
  return plan;
}

ShardWriter::ShardWriter(const ShardPlan& plan, const std::filesystem::path& folder,
                         bool reopen_files)
    : plan_(&plan) {
  if (reopen_files) {
    reopen(folder);
    return;
  }
  // Before any file: OutputFile would only tell of its own size.
  const std::uint64_t room = free_space(folder);
  if (plan.bytes() > room) {
    throw Error(ErrorKind::io, fmt::format("no space left: needs {}, {} free",
                                           human_bytes(plan.bytes()), human_bytes(room)))
        .in_file(folder.string());
  }
  std::size_t made = 0;
  try {
    for (const ShardPlan::File& file : plan.files) {
      files_.push_back(std::make_unique<OutputFile>(folder / file.name, file.size));
      ++made;
      files_.back()->write(0, std::as_bytes(std::span(file.header)));
    }
  } catch (...) {
    files_.clear();
    std::error_code ignored;
    for (std::size_t f = 0; f < made; ++f) {
      std::filesystem::remove(folder / plan.files[f].name, ignored);
    }
    throw;
  }
}

void ShardWriter::reopen(const std::filesystem::path& folder) {
  for (const ShardPlan::File& file : plan_->files) {
    const std::filesystem::path path = folder / file.name;
    files_.push_back(std::make_unique<OutputFile>(path, file.size, OutputFile::Creation::reopen));
    const InputFile stored(path);
    std::string header(file.header.size(), '\0');
    stored.read(0, std::as_writable_bytes(std::span(header)));
    if (header != file.header) {
      throw Error(ErrorKind::corrupt, "an unfinished run of another merge left this file")
          .in_file(path.string());
    }
  }
}

void ShardWriter::write(std::size_t index, std::uint64_t begin, std::span<const std::byte> data) {
  assert(index < plan_->spots.size());
  const ShardPlan::Spot& spot = plan_->spots[index];
  assert(begin <= plan_->files[spot.file].size - spot.offset &&
         data.size() <= plan_->files[spot.file].size - spot.offset - begin);
  files_[spot.file]->write(spot.offset + begin, data);
}

void ShardWriter::sync() {
  for (const auto& file : files_) file->sync();
}

void ShardWriter::sync(std::size_t file) { files_[file]->sync(); }

}  // namespace merganser
