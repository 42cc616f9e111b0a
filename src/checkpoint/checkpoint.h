// A checkpoint as found on disk: the headers of all its tensors and where their bytes lie.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/tensor_info.h"

namespace merganser {

namespace strided {
class Bands;
}

struct StoredTensor {
  TensorInfo info;
  std::size_t file = 0;      // index in Checkpoint::files()
  std::uint64_t offset = 0;  // of the first element's first byte in that file
  // In elements, one for each axis, of a view that is not row-major (PyTorch archives); else empty.
  std::vector<std::uint64_t> strides = {};
};

// Opened for reading; headers validated once, here; afterwards only trusted. Thread-safe reads.
class Checkpoint {
 public:
  // A folder (find_weights says which files of it), a .safetensors file or a PyTorch archive,
  // known by its content. Throws Error: not_found, corrupt, unsupported (Git-LFS pointer,
  // unfinished download, quantised weights, other formats by name).
  static Checkpoint open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  bool single_file() const { return single_file_; }  // opened as a file, not as a folder
  const std::vector<std::filesystem::path>& files() const { return paths_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // sorted by name
  const StoredTensor* find(std::string_view name) const;
  std::vector<TensorInfo> headers() const;
  std::uint64_t bytes() const;  // of all tensors

  // config.json; null for a single file or a folder without one.
  const Json* config() const { return config_.get(); }
  const std::string& config_text() const { return config_text_; }
  // Notes a person should see: files in the folder that are not part of the index, and the like.
  const std::vector<std::string>& notes() const { return notes_; }

  // A file that is no longer what was opened (size, inode or modification time); none: all are.
  std::optional<std::filesystem::path> changed_file() const;

  // Of the weight files, as they were when they were opened.
  std::vector<FileIdentity> identities() const;

  // Reads out.size() bytes of the tensor's data, row-major, from byte `begin`. Throws
  // Error(corrupt) if the file has been cut short meanwhile, Error(io) for what the system says.
  void read(const StoredTensor& tensor, std::uint64_t begin, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  bool single_file_ = false;
  std::vector<std::filesystem::path> paths_;
  std::vector<std::shared_ptr<const InputFile>> handles_;
  std::vector<StoredTensor> tensors_;
  std::shared_ptr<strided::Bands> bands_;
  std::shared_ptr<const Json> config_;
  std::string config_text_;
  std::vector<std::string> notes_;
};

}  // namespace merganser
