#include "adapter/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"

namespace merganser {
namespace {

constexpr std::uint64_t kMaxRank = 1 << 20;
constexpr std::size_t kMaxPatterns = 20'000;  // entries; a module each, in a large mixture

struct Refused {
  std::string_view key, what, hint;
};

constexpr std::string_view kMerge =
    "merge it into its base in PEFT (merge_and_unload) and give that checkpoint";

// Keys that must be unset: null, false, or empty.
constexpr std::array kRefused = {
    Refused{"layer_replication", "it repeats layers of its base", kMerge},
    Refused{"alora_invocation_tokens", "it is an activated LoRA (aLoRA)",
            "it acts on some tokens only, so no merged weights have its effect"},
    Refused{"use_qalora", "it is a QA-LoRA adapter, made for quantised weights", kMerge},
    Refused{"megatron_config", "it was made for Megatron's parallel layers", kMerge},
    Refused{"target_parameters", "it adapts parameters of fused modules (mixtures of experts)",
            kMerge},
    Refused{"trainable_token_indices", "it trains single rows of the embeddings", kMerge},
    Refused{"use_bdlora", "it is a block-diagonal LoRA (BD-LoRA)", kMerge},
    Refused{"arrow_config", "it routes between adapters (Arrow)",
            "it chooses per token, so no merged weights have its effect"},
    Refused{"velora_config", "it is a VeLoRA adapter", kMerge},
    Refused{"monteclora_config", "it is a Monte Carlo LoRA adapter", kMerge},
    Refused{"kasa_config", "it is a KaSA adapter, which also changes the base's weights", kMerge},
    Refused{"ensure_weight_tying", "it ties the adapters of embedding and head", kMerge},
};

// Without a meaning for the merged weights, or read below.
constexpr std::array<std::string_view, 34> kKnown = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "corda_config",
    "eva_config", "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights",
    "layers_pattern", "layers_to_transform", "loftq_config", "lora_alpha", "lora_bias",
    "lora_dropout", "lora_ga_config", "megatron_core", "modules_to_save", "peft_type",
    "peft_version", "qalora_group_size", "r", "rank_pattern", "revision", "runtime_config",
    "target_modules", "task_type", "use_dora", "use_rslora",
    // Of PEFT before 0.3.
    "enable_lora", "merge_weights", "lora_nums", "modules_to_tie"};

bool is_set(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  return !value.is_null() && !((value.is_array() || value.is_object() || value.is_string()) &&
                               (value.empty() || value == ""));
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Reads keys of one JSON object; every wrong type is one sentence.
class Reader {
 public:
  Reader(const Json& json, const std::string& file) : json_(json), file_(file) {}

  [[noreturn]] void wrong(std::string_view key, std::string_view expected) const {
    throw Error(ErrorKind::corrupt, fmt::format("'{}' must be {}", key, expected)).in_file(file_);
  }

  const Json* find(const char* key) const {
    const auto at = json_.find(key);
    return at == json_.end() || at->is_null() ? nullptr : &*at;
  }

  bool flag(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) wrong(key, "true or false");
    return value->get<bool>();
  }

  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return "";
    if (!value->is_string()) wrong(key, "text");
    return value->get<std::string>();
  }

  std::vector<std::string> texts(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (value->is_string()) return {value->get<std::string>()};
    if (!value->is_array()) wrong(key, "text or a list of texts");
    std::vector<std::string> list;
    for (const Json& item : *value) {
      if (!item.is_string()) wrong(key, "text or a list of texts");
      list.push_back(item.get<std::string>());
    }
    return list;
  }

  std::uint64_t rank(const Json& value, std::string_view key) const {
    const bool fits = value.is_number_unsigned() && value.get<std::uint64_t>() >= 1 &&
                      value.get<std::uint64_t>() <= kMaxRank;
    if (!fits) wrong(key, fmt::format("a rank from 1 to {}", kMaxRank));
    return value.get<std::uint64_t>();
  }

  double alpha(const Json& value, std::string_view key) const {
    if (!value.is_number() || !std::isfinite(value.get<double>())) wrong(key, "a finite number");
    return value.get<double>();
  }

  // Calls add(key, value) for the entries of an object.
  template <class Add>
  void entries(const char* key, NamePatterns& patterns, Add add) const {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_object()) wrong(key, "a mapping of module names to numbers");
    if (value->size() > kMaxPatterns) wrong(key, fmt::format("at most {} entries", kMaxPatterns));
    for (const auto& [name, number] : value->items()) {
      try {
        patterns.add(name);
      } catch (Error& error) {
        throw Error(error.kind(), fmt::format("{}: {}", key, error.message()))
            .in_file(file_)
            .hint(error.advice());
      }
      add(number, fmt::format("{}: {}", key, name));
    }
  }

 private:
  const Json& json_;
  const std::string& file_;
};

void refuse(const std::string& what, std::string_view hint, const std::string& file) {
  throw Error(ErrorKind::unsupported, what).in_file(file).hint(hint);
}

// LoRA of the forms W' = W + s B A and DoRA; no other method, no other variant, no unknown key.
void refuse_others(const Reader& reader, const Json& json, const std::string& file) {
  const std::string type = reader.text("peft_type");
  if (type != "LORA") {
    refuse(type.empty() ? "it has no 'peft_type'"
                        : fmt::format("an adapter of the type {}; only LORA is merged", type),
           type.empty() ? "this must be the adapter_config.json that PEFT writes"
                        : std::string(kMerge),
           file);
  }
  for (const Refused& refused : kRefused) {
    const Json* value = reader.find(std::string(refused.key).c_str());
    if (value != nullptr && is_set(*value)) {
      refuse(fmt::format("{} ('{}' is set), which is not computed here", refused.what, refused.key),
             refused.hint, file);
    }
  }
  const auto key_of = [](const Refused& refused) { return refused.key; };
  for (const auto& [key, value] : json.items()) {
    if (std::ranges::find(kKnown, key) != kKnown.end()) continue;
    if (std::ranges::find(kRefused, std::string_view(key), key_of) != kRefused.end()) continue;
    if (is_set(value)) {
      refuse(fmt::format("'{}' is set, which this version does not know", key),
             "it may change what the merged weights are; remove the key if it does not", file);
    }
  }
}

// Initialisations that leave the base's weights alone have no meaning once the adapter is trained;
// the others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) subtract the first adapter from them.
std::string initialisation(const Reader& reader, const std::string& file) {
  const Json* value = reader.find("init_lora_weights");
  if (value == nullptr) return "true";
  if (value->is_boolean()) return value->get<bool>() ? "true" : "false";
  if (!value->is_string()) reader.wrong("init_lora_weights", "true, false or text");
  const std::string name = value->get<std::string>(), folded = lower(name);
  for (const std::string_view harmless :
       {"true", "false", "gaussian", "eva", "orthogonal", "mica"}) {
    if (folded == harmless) return folded;
  }
  refuse(fmt::format("init_lora_weights is '{}', which changes the base's weights or is unknown",
                     name),
         "save it in PEFT with path_initial_model_for_weight_conversion, which makes it an "
         "ordinary LoRA",
         file);
  return "";
}

AdapterConfig::Bias parse_bias(const Reader& reader) {
  const std::string bias = reader.text("bias");
  if (bias.empty() || bias == "none") return AdapterConfig::Bias::none;
  if (bias == "all") return AdapterConfig::Bias::all;
  if (bias != "lora_only") reader.wrong("bias", "none, all or lora_only");
  return AdapterConfig::Bias::lora_only;
}

}  // namespace

std::uint64_t AdapterConfig::rank_of(std::string_view module) const {
  const auto at = rank_pattern.find(module);
  return at ? pattern_ranks[*at] : r;
}

double AdapterConfig::alpha_of(std::string_view module) const {
  const auto at = alpha_pattern.find(module);
  return at ? pattern_alphas[*at] : lora_alpha;
}

double AdapterConfig::scale_of(std::string_view module, std::uint64_t rank) const {
  const auto size = static_cast<double>(rank);
  return alpha_of(module) / (use_rslora ? std::sqrt(size) : size);
}

AdapterConfig parse_adapter_config(std::string_view text, const std::string& file) {
  auto json = std::make_shared<const Json>(parse_json(text, file, {.allow_repeats = true}));
  if (!json->is_object()) {
    throw Error(ErrorKind::corrupt, "the adapter's config is not a JSON object").in_file(file);
  }
  const Reader reader(*json, file);
  refuse_others(reader, *json, file);
  AdapterConfig config;
  if (const Json* r = reader.find("r")) config.r = reader.rank(*r, "r");
  if (const Json* alpha = reader.find("lora_alpha")) {
    config.lora_alpha = reader.alpha(*alpha, "lora_alpha");
  }
  reader.entries("rank_pattern", config.rank_pattern, [&](const Json& value, const auto& key) {
    config.pattern_ranks.push_back(reader.rank(value, key));
  });
  reader.entries("alpha_pattern", config.alpha_pattern, [&](const Json& value, const auto& key) {
    config.pattern_alphas.push_back(reader.alpha(value, key));
  });
  config.use_rslora = reader.flag("use_rslora");
  config.use_dora = reader.flag("use_dora");
  config.fan_in_fan_out = reader.flag("fan_in_fan_out");
  config.lora_bias = reader.flag("lora_bias");
  config.bias = parse_bias(reader);
  config.modules_to_save = reader.texts("modules_to_save");
  config.target_modules = reader.texts("target_modules");
  config.base_model = reader.text("base_model_name_or_path");
  config.task_type = reader.text("task_type");
  config.init_lora_weights = initialisation(reader, file);
  config.json = std::move(json);
  return config;
}

}  // namespace merganser
