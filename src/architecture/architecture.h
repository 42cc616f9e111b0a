// What a tensor's name means: layer, role, place; and which config fields count layers.
//
// Known families come from data files (families/*.json, compiled into the program); anything else
// is inferred from the names. Nothing here reads tensor data.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/tensor_info.h"

namespace merganser {

enum class Place {
  embed,  // before the layers: embeddings and what stands at the model's input
  layer,  // inside a repeated block
  head,   // after the layers: final norm, pooler, lm_head, task heads
  other,  // outside the layers, not known to be before or after (inferred families)
};
std::string_view to_string(Place place);  // "embed", "layer", "head", "other"

struct TensorPlace {
  std::size_t module = 0;  // index in Architecture::modules()
  Place place = Place::other;
  std::optional<std::size_t> layer;  // only for Place::layer
  // The name with the layer's number replaced by "{}": "model.layers.{}.mlp.up_proj.weight".
  // Equal to the name outside the layers.
  std::string stem;
  // Field's standard term, the same across families: "attention.q.weight", "mlp.gate.weight",
  // "norm.attention.weight", "embed.tokens.weight", "head.weight", "norm.final.weight"; "" unknown.
  std::string role;
  bool vocabulary = false;  // axis 0 counts tokens

  std::string name_at(std::size_t layer) const;  // stem with a layer number; stem outside layers
};

struct ArchitectureModule {
  std::string name;          // "default", or MergeKit's name: "encoder", "decoder", "text_decoder"
  std::string layer_prefix;  // "model.layers.{}."; empty when there are no layers
  std::size_t layers = 0;    // from the config, else highest index in the names + 1
  std::string layers_key;    // dotted config path of the count, "" when none is known
};

struct TiedPair {
  std::string name;    // may be absent: "lm_head.weight"
  std::string source;  // whose values it then takes: "model.embed_tokens.weight"
};

class Architecture {
 public:
  // config may be null (a file without config.json): inferred. `override_name` replaces
  // config.architectures. Names and headers are those of the checkpoint. Throws Error(mismatch) if
  // config and tensors contradict each other so that no safe reading exists.
  static Architecture resolve(const Json* config, std::span<const TensorInfo> tensors,
                              std::string_view override_name = {});

  const std::string& family() const;        // "llama"; for an inferred one "inferred"
  const std::string& architecture() const;  // config.architectures[0], or ""
  bool inferred() const;
  const std::vector<ArchitectureModule>& modules() const;
  TensorPlace place(std::string_view name) const;  // any name, also one it never saw
  const std::vector<TiedPair>& tied() const;  // active ones: by config where the config says so
  std::vector<std::string> aliases(std::string_view name) const;  // other names of the same weight

  // config.json of a model stacked from `layers` of this one, per module: entry l says which input
  // layer's per-layer config values (layer_types and other lists of length L) output layer l takes.
  // Changes only the count and per-layer fields; keeps key order. `warnings` gets one sentence for
  // each thing that may need a person's attention (no count key known, max_window_layers…).
  struct LayerOrigin {
    const Json* config;  // of the model the layer comes from; may be null
    std::size_t layer;
  };
  Json stacked_config(const Json& config, std::size_t module, std::span<const LayerOrigin> layers,
                      std::vector<std::string>& warnings) const;

  // Whether layers of `other` can stand among layers of this one (mixed architectures): hidden
  // size, head count and size, key/value heads, vocabulary, norm epsilon, rope, activation, and the
  // role of each tensor of a layer. Returns a list of contradictions, one sentence each; empty =
  // compatible.
  std::vector<std::string> incompatibilities(const Json& config, const Architecture& other,
                                             const Json& other_config) const;
  // This family's name for another family's tensor by role; none: no such role here.
  std::optional<std::string> name_for_role(std::string_view role, std::size_t layer) const;

  struct Impl;  // for this layer's own files

 private:
  std::shared_ptr<const Impl> impl_;
};

// Names of all known families, for docs and `inspect`.
std::vector<std::string> known_families();

}  // namespace merganser
