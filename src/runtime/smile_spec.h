// What a config.json says of a mixture of low-rank experts, in either layout (docs/smile.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/config.h"

namespace merganser::rt {

enum class SmileLayout { transformers, fusion_bench };

// Of a layer with E experts.
struct SmileModuleSpec {
  std::int64_t router_rank = 0;     // directions of each expert's router; 0 where E = 1 has none
  std::vector<std::int64_t> ranks;  // of each expert's factors; unused where dense
  std::int64_t per_token = 1;       // experts that a token meets
  bool bias = false;                // experts have biases; of FusionBench's layout: if stored
  bool dense = false;               // experts are whole matrices
};

struct SmileSpec {
  SmileLayout layout = SmileLayout::transformers;
  std::vector<std::string> experts;  // names; "0", "1", … where the layout has none
  // By the checkpoint's names. Empty in FusionBench's layout, where tensors say which layers are
  // mixtures, and all are of one form.
  std::map<std::string, SmileModuleSpec> modules;
  SmileModuleSpec usual;  // FusionBench's form
  std::string place;      // the file, for errors

  std::int64_t size() const { return static_cast<std::int64_t>(experts.size()); }
};

// None where the config is not a mixture's. Throws Error(corrupt) for numbers that contradict each
// other, Error(unsupported) for another version of the layout.
std::optional<SmileSpec> read_smile_spec(const Config& config);

// The config that the mixture's base has: its own model_type and architectures.
Json base_config(const Json& config);

}  // namespace merganser::rt
