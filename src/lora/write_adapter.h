// The files of an adapter as PEFT reads them: adapter_model.safetensors, adapter_config.json.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "lora/store.h"

namespace merganser {

// A tensor that the adapter brings as it is: of modules_to_save, a bias.
struct WholeTensor {
  TensorInfo info;  // under the name it is stored by
  // Fills `out` with its bytes from byte `begin`.
  std::function<void(std::uint64_t begin, std::span<std::byte> out)> read;
};

struct WrittenTensor {
  TensorInfo info;
  std::string hash;
};

// adapter_model.safetensors: the chosen terms of all modules that have any, and the whole tensors;
// in name order. Throws Error(usage) where there is nothing to write, Error(interrupted).
std::vector<WrittenTensor> write_adapter_weights(const TermStore& store, bool distribute_scale,
                                                 std::vector<WholeTensor> whole,
                                                 const std::filesystem::path& folder, bool sync,
                                                 Progress& progress);

// Module names as short as they can be: a last part ("q_proj") stands for all that end in it where
// all of these are `chosen`; the others by their full names. `all`: every module of the model.
// Sorted. (PEFT matches target_modules and modules_to_save by the ends of names.)
std::vector<std::string> short_names(std::span<const std::string> chosen,
                                     std::span<const std::string> all);

// Sets r and lora_alpha to the largest rank of the store, so that every scale is 1, and
// rank_pattern and alpha_pattern where others differ.
void set_ranks(const TermStore& store, Json& config);

}  // namespace merganser
