#include "train/adapters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "lora/write_adapter.h"
#include "runtime/weights.h"
#include "train/stored_tensors.h"

namespace merganser::rt {
namespace {

constexpr const char* kA = ".lora_A.weight";
constexpr const char* kB = ".lora_B.weight";

// What turns hidden states into answers, as PEFT's "all-linear" leaves it out.
bool is_output_head(std::string_view name) {
  constexpr std::array<std::string_view, 6> kHeads = {"lm_head",        "classifier", "score",
                                                      "pre_classifier", "cls",        "qa_outputs"};
  return std::ranges::any_of(split(name, '.'), [&](std::string_view part) {
    return std::ranges::find(kHeads, part) != kHeads.end();
  });
}

std::vector<std::shared_ptr<Linear>> chosen_layers(const Model& model,
                                                   const std::vector<std::string>& targets) {
  std::vector<std::shared_ptr<Linear>> chosen;
  std::set<std::string> used;
  for (const auto& linear : model.linears()) {
    bool wanted = targets.empty() && !is_output_head(linear->name);
    for (const std::string& glob : targets) {
      if (!glob_match(glob, linear->name)) continue;
      wanted = true;
      used.insert(glob);
    }
    if (wanted) chosen.push_back(linear);
  }
  for (const std::string& glob : targets) {
    if (used.contains(glob)) continue;
    std::vector<std::string> names;
    for (const auto& linear : model.linears()) names.push_back(linear->name);
    throw Error(ErrorKind::usage, fmt::format("no linear layer's name fits '{}'", glob))
        .hint(names.empty()
                  ? "the model has none"
                  : fmt::format("it has '{}' and {} more", names.front(), names.size() - 1));
  }
  if (chosen.empty()) {
    throw Error(ErrorKind::usage, "the model has no linear layer for an adapter");
  }
  return chosen;
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> attach_adapters(const Model& model,
                                                                const AdapterOptions& options) {
  std::vector<std::pair<std::string, at::Tensor>> factors;
  Weights drawn(options.seed, model.placement());
  const at::NoGradGuard no_grad;
  for (const auto& linear : chosen_layers(model, options.targets)) {
    if (!model.tensors().contains(linear->name + ".weight")) {
      throw Error(ErrorKind::unsupported, "an adapter goes beside a plain layer, not a mixture's")
          .in_tensor(linear->name);
    }
    const double half = 1 / std::sqrt(static_cast<double>(linear->in));
    const at::Tensor a =
        drawn.tensor(linear->name + kA, {options.rank, linear->in}, {Init::Kind::uniform, half});
    const at::Tensor b =
        drawn.tensor(linear->name + kB, {linear->out, options.rank}, Init::zeros());
    linear->adapter = LowRank{a, b, options.alpha / static_cast<double>(options.rank)};
    factors.emplace_back(linear->name + kA, a);
    factors.emplace_back(linear->name + kB, b);
  }
  return factors;
}

void write_adapter(const std::filesystem::path& folder, const Model& model, const Source& base,
                   const std::string& base_name, bool causal, const AdapterOptions& options,
                   const Optimizer& optimizer) {
  std::map<std::string, at::Tensor> stored;
  std::set<std::string> layers;
  for (std::size_t i = 0; i < optimizer.size(); ++i) {
    const std::string& name = optimizer.name(i);
    const bool factor = name.ends_with(kA) || name.ends_with(kB);
    if (!factor || !optimizer.reached(i)) continue;
    stored[fmt::format("base_model.model.{}", name)] = optimizer.value(i).to(at::kFloat);
    layers.insert(name.substr(0, name.size() - std::string_view(kA).size()));
  }
  if (stored.empty()) {
    throw Error(ErrorKind::usage, "no layer that has an adapter takes part in the task");
  }
  write_tensors(folder, "adapter_model.safetensors", stored);
  bool input_first = false, square = true;
  for (const auto& linear : model.linears()) {
    if (!layers.contains(linear->name) || linear->in == linear->out) continue;
    square = false;
    const at::Tensor& weight = model.tensors().at(linear->name + ".weight");
    input_first = input_first || weight.size(0) == linear->in;
  }
  if (square) input_first = model.family() == "gpt2";
  std::vector<std::string> all;
  for (const TensorInfo& info : base.headers()) {
    all.push_back(info.name.substr(0, info.name.rfind('.')));
  }
  const std::vector<std::string> targets(layers.begin(), layers.end());
  const Json config = {{"base_model_name_or_path", base_name},
                       {"bias", "none"},
                       {"fan_in_fan_out", input_first},
                       {"inference_mode", true},
                       {"init_lora_weights", true},
                       {"lora_alpha", options.alpha},
                       {"lora_dropout", 0.0},
                       {"modules_to_save", nullptr},
                       {"peft_type", "LORA"},
                       {"r", options.rank},
                       {"target_modules", short_names(targets, all)},
                       {"task_type", causal ? Json("CAUSAL_LM") : Json(nullptr)},
                       {"use_dora", false},
                       {"use_rslora", false}};
  write_text(folder / "adapter_config.json",
             config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace merganser::rt
