// Which files of a folder make up its checkpoint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/index.h"

namespace merganser {

struct FoundWeights {
  std::vector<std::filesystem::path> files;         // all exist
  std::optional<std::filesystem::path> index_path;  // of a sharded checkpoint,
  ShardIndex index;                                 // and what it says
  std::vector<std::string> notes;
};

// In this order: model.safetensors.index.json with all its files, model.safetensors, the only other
// *.safetensors.index.json, the only .safetensors file; then the same of PyTorch archives:
// pytorch_model.bin.index.json, pytorch_model.bin, another *.bin.index.json, the only archive (.bin
// .pt .pth .ckpt; optimizer.pt and the like are none). An index that names absent files is passed
// over with a note if there is something whole. Throws Error: not_found (nothing there, a shard
// missing, an unfinished download), unsupported (other formats, a LoRA adapter), usage (several
// candidates).
FoundWeights find_weights(const std::filesystem::path& folder);

// For a path that does not exist; where it looks like a name on the hub, the hint says how to get
// it.
[[noreturn]] void path_not_found(const std::filesystem::path& path);

}  // namespace merganser
