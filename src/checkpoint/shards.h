// The files of an output checkpoint, laid out before any data exist, and written at final offsets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/tensor_info.h"

namespace merganser {

struct ShardPlan {
  struct File {
    std::string name;                  // "model-00001-of-00003.safetensors"
    std::vector<std::size_t> tensors;  // indices into `tensors`, in the order of their data
    std::string header;                // leading bytes
    std::uint64_t size = 0;            // of the whole file
  };
  struct Spot {
    std::size_t file = 0;
    std::uint64_t offset = 0;  // in the file
  };
  std::vector<File> files;
  std::vector<Spot> spots;  // one for each tensor, in the caller's order
  std::uint64_t data_bytes = 0;

  std::uint64_t bytes() const;  // of all files
  bool indexed() const { return files.size() > 1; }
  // model.safetensors.index.json, keys sorted; only where indexed().
  std::string index_text(std::span<const TensorInfo> tensors) const;
};

// Tensors in name order (as given: sorted by the caller) go to shards of at most max_shard bytes of
// data (one larger tensor gets a shard of its own); inside a shard they lie by alignment (larger
// element first), then name, so that data stay aligned. `single_name`: file name of an unsharded
// output.
ShardPlan plan_shards(std::span<const TensorInfo> tensors, std::uint64_t max_shard,
                      const std::string& single_name = "model.safetensors");

// Creates the files in a folder (headers written, sizes reserved), then takes data in any order
// from any thread.
class ShardWriter {
 public:
  // `reopen`: an unfinished run of the same plan left the files. Throws Error(corrupt) if they are
  // others.
  ShardWriter(const ShardPlan& plan, const std::filesystem::path& folder, bool reopen = false);
  // Bytes of tensor `index`, starting `begin` bytes into it. Thread-safe for disjoint ranges.
  void write(std::size_t index, std::uint64_t begin, std::span<const std::byte> data);
  void sync();                  // durable on disk; throws Error(io)
  void sync(std::size_t file);  // one of ShardPlan::files

 private:
  void reopen(const std::filesystem::path& folder);

  const ShardPlan* plan_;
  std::vector<std::unique_ptr<OutputFile>> files_;
};

}  // namespace merganser
