// LoRA adapters beside a model's linear layers, and the folder that PEFT reads them from.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "runtime/model.h"
#include "source/source.h"
#include "train/optimizer.h"

namespace merganser::rt {

struct AdapterOptions {
  std::int64_t rank = 16;
  double alpha = 32;                 // the scale is alpha / rank
  std::vector<std::string> targets;  // globs on layers' names; empty: all but output heads
  std::uint64_t seed = 0;
};

// Factors as Hu et al. 2021 begin them: B zeros, so that the model begins as it is, and A uniform
// in +-1 / sqrt(in) as PEFT draws it, from the seed and the layer's name alone. Returns them as
// "LAYER.lora_A.weight", "LAYER.lora_B.weight". Throws Error(usage) for a glob that fits no layer
// and where there is none, Error(unsupported) for layers that are no plain weights (a mixture's
// experts).
std::vector<std::pair<std::string, at::Tensor>> attach_adapters(const Model& model,
                                                                const AdapterOptions& options);

// adapter_model.safetensors (f32) and adapter_config.json, of the layers that were reached. Throws
// Error(usage) where none was.
void write_adapter(const std::filesystem::path& folder, const Model& model, const Source& base,
                   const std::string& base_name, bool causal, const AdapterOptions& options,
                   const Optimizer& optimizer);

}  // namespace merganser::rt
