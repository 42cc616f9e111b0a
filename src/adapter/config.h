// adapter_config.json of a LoRA adapter (PEFT): what it says about ranks, scales and what else it
// changes. Forms of LoRA whose merged weights this program does not compute are refused by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapter/pattern.h"
#include "base/json.h"

namespace merganser {

struct AdapterConfig {
  enum class Bias { none, all, lora_only };

  std::uint64_t r = 8;                       // of modules that rank_pattern does not name
  double lora_alpha = 8;                     // of modules that alpha_pattern does not name
  NamePatterns rank_pattern, alpha_pattern;  // which entry; the values are in these, in order:
  std::vector<std::uint64_t> pattern_ranks;
  std::vector<double> pattern_alphas;
  bool use_rslora = false;      // scale alpha / sqrt(r) (Kalajdzievski 2023) instead of alpha / r
  bool use_dora = false;        // Liu et al. 2024
  bool fan_in_fan_out = false;  // the base's linear weights are [in, out] (GPT-2's Conv1D)
  bool lora_bias = false;       // B has a bias, which is added to the base's
  Bias bias = Bias::none;       // which of the base's biases were trained, and are in the adapter
  std::vector<std::string> modules_to_save;  // trained whole, and in the adapter
  std::vector<std::string> target_modules;   // names; a regular expression is one entry
  std::string base_model, task_type;         // as written; "" where absent
  std::string init_lora_weights;             // "true", "false" or the name
  std::shared_ptr<const Json> json;          // all of it

  std::uint64_t rank_of(std::string_view module) const;
  double alpha_of(std::string_view module) const;
  // alpha / rank, or alpha / sqrt(rank).
  double scale_of(std::string_view module, std::uint64_t rank) const;
};

// `file` is for messages. Throws Error: corrupt (no JSON, wrong types, numbers out of range),
// unsupported (another method than LoRA, a variant of it that is not computed, a key that this
// version does not know and that is set).
AdapterConfig parse_adapter_config(std::string_view text, const std::string& file);

}  // namespace merganser
