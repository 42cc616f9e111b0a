// Layers of an unknown architecture, read from its tensors' names.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/architecture.h"

namespace merganser {

// A numbered list of blocks: "model.layers" for model.layers.0., model.layers.1., …
struct LayerStack {
  std::string prefix;      // without the number: "model.layers"
  std::size_t layers = 0;  // highest number + 1
};

// The outermost repeated blocks, in alphabetical order. Numbers inside them (experts, branches) and
// numbers of mere sequences of weights ("conv1.0.weight") are not layers.
std::vector<LayerStack> infer_stacks(std::span<const TensorInfo> tensors);

// Where a weight outside the layers most likely stands, by the words in its name.
Place guess_place(std::string_view name);

// The config field that counts the stack's layers: the only one that looks like a layer count and
// holds this number (or, with several stacks, the only one that shares a word with the prefix such
// as "encoder"). "" when none or several fit.
std::string infer_count_key(const Json& config, std::string_view prefix, std::size_t layers);

// Weights outside the layers whose rows are tokens.
std::set<std::string> infer_vocabulary(const Json* config, std::span<const TensorInfo> tensors,
                                       const std::vector<LayerStack>& stacks);

// The layer's number if `name` lies in a block: form "model.layers.{}.", name
// "model.layers.3.mlp.up.weight" gives 3 and the rest "mlp.up.weight". npos: it does not.
struct LayerSplit {
  std::size_t layer = static_cast<std::size_t>(-1);
  std::string_view rest;
  explicit operator bool() const { return layer != static_cast<std::size_t>(-1); }
};
LayerSplit split_layer(std::string_view name, std::string_view form);

}  // namespace merganser
