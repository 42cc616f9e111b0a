#include "plan/adapters.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "adapter/lora_source.h"
#include "plan/resolve_architecture.h"
#include "plan/untie.h"

namespace merganser {
namespace {

void set_vocabulary(Json& config, std::uint64_t before, std::uint64_t after) {
  for (auto& [key, value] : config.items()) {
    if (key == "vocab_size" && value == before) value = after;
    if (key.ends_with("_config") && value.is_object()) set_vocabulary(value, before, after);
  }
}

// A vocabulary of another size, and a head that is no longer the embedding.
void edit_config(PlanModel& model) {
  const Json* stored = model.file->checkpoint().config();
  if (stored == nullptr) return;
  const std::vector<TensorInfo>& before = model.file->headers();
  const auto find = [](const std::vector<TensorInfo>& headers, const std::string& name) {
    const auto at = std::ranges::lower_bound(headers, name, {}, &TensorInfo::name);
    return at != headers.end() && at->name == name ? &*at : nullptr;
  };
  Json config = *stored;
  for (const TensorInfo& now : model.source->headers()) {
    const TensorInfo* was = find(before, now.name);
    if (was == nullptr || was->shape == now.shape) continue;
    if (!model.architecture.place(now.name).vocabulary) continue;
    set_vocabulary(config, was->shape[0], now.shape[0]);
    std::string note = fmt::format(
        "{}: the adapter has {} tokens where its base has {}; its tokenizer is not copied",
        model.adapter_path.string(), now.shape[0], was->shape[0]);
    // The embedding and the head.
    if (std::ranges::find(model.notes, note) == model.notes.end())
      model.notes.push_back(std::move(note));
  }
  for (const TiedPair& pair : model.architecture.tied()) {
    const TensorInfo* source = find(before, pair.source);
    if (find(before, pair.name) != nullptr || source == nullptr) continue;
    if (find(model.source->headers(), pair.name) != nullptr) {
      untie(config);
      model.notes.push_back(
          fmt::format("{}: the adapter has '{}' of its own, so it is no longer "
                      "tied to '{}'",
                      model.adapter_path.string(), pair.name, pair.source));
    } else if (model.adapted->changes(pair.source)) {
      model.notes.push_back(
          fmt::format("{}: the adapter changes '{}', and with it the tied '{}', "
                      "as in PEFT's merged models",
                      model.adapter_path.string(), pair.source, pair.name));
    }
  }
  if (config != *stored) model.adapted_config = std::make_shared<const Json>(std::move(config));
}

}  // namespace

void add_adapter(PlanModel& model, const std::filesystem::path& path) {
  Adapter adapter = Adapter::open(path);
  model.adapter_path = adapter.weights().path().parent_path();
  model.also_read.push_back(std::make_shared<const FileSource>(adapter.weights()));
  const Architecture& architecture = model.architecture;
  model.adapted =
      LoraSource::open(model.file, std::move(adapter), model.ref.lora_scale,
                       [&](const std::string& name) { return architecture.aliases(name); });
  model.source = model.adapted;
  for (const std::string& note : model.adapted->notes()) {
    model.notes.push_back(fmt::format("{}: {}", model.adapter_path.string(), note));
  }
  edit_config(model);
  model.architecture = resolve_architecture(model.path.string(), model.config(), model.headers(),
                                            model.ref.override_architecture);
}

}  // namespace merganser
