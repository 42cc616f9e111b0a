// The local cache of the Hugging Face hub: models by their names there, without the network.
//
//   CACHE/models--ORG--NAME/refs/REVISION         the commit that a branch or tag stood at
//   CACHE/models--ORG--NAME/snapshots/COMMIT/     links to
//   CACHE/models--ORG--NAME/blobs/ETAG            the files; large ones are named by their SHA-256
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace merganser {

struct HubSnapshot {
  std::filesystem::path path;  // the folder with the model's files
  std::string name, revision;  // as asked for; revision "main" where none was
  std::string commit;          // 40 hex digits
};

// HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub, or
// ~/.cache/huggingface/hub, the first that is set.
std::filesystem::path hub_cache();

// True for what may be a name on the hub: "org/name", or "name" as old models have it.
bool is_hub_name(std::string_view name);

// The model as the cache has it; none where it does not know the name or the revision: a branch, a
// tag, or a commit (also by its first 7 digits or more). Throws Error(corrupt) for a cache that
// contradicts itself.
std::optional<HubSnapshot> find_in_cache(const std::filesystem::path& cache,
                                         const std::string& name, const std::string& revision);

// The command that downloads it.
std::string download_command(std::string_view name, std::string_view revision);

// SHA-256 (64 hex digits) of files whose blobs are named by it: file name in the folder and hash.
// Small files, which the hub names by another hash, are not among them.
std::vector<std::pair<std::string, std::string>> blob_hashes(
    const std::vector<std::filesystem::path>& files);

}  // namespace merganser
