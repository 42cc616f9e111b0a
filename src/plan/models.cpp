#include "plan/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/locate.h"
#include "plan/adapters.h"
#include "plan/resolve_architecture.h"
#include "recipe/parse.h"
#include "source/task_source.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

// Errors about a name show where it stands in the recipe.
Located locate(const std::string& name, const std::string& revision, Mark mark,
               const std::string& recipe_file) {
  try {
    return locate_model(name, revision, recipe_file);
  } catch (Error& error) {
    if (error.file().empty()) error.in_file(recipe_file).at(mark.line, mark.column);
    throw;
  }
}

using Names = std::unordered_set<std::string>;

std::size_t shared_names(const std::vector<std::string>& names, const Names& known) {
  return static_cast<std::size_t>(std::count_if(
      names.begin(), names.end(), [&](const std::string& name) { return known.contains(name); }));
}

struct Bridge {
  std::string removed, added;
  std::size_t matches = 0;
};

std::string cross(const Bridge& bridge, const std::string& name) {
  if (!bridge.removed.empty()) {
    return name.starts_with(bridge.removed) ? name.substr(bridge.removed.size()) : name;
  }
  return bridge.added + name;
}

// Every dotted prefix of the names: "bert.", "bert.encoder.", …
std::set<std::string> prefixes_of(const std::vector<std::string>& names) {
  std::set<std::string> prefixes;
  for (const std::string& name : names) {
    // A task model wraps its encoder in one or two names; deeper prefixes would match by accident.
    std::size_t dot = name.find('.');
    for (int depth = 0; depth < 2 && dot != std::string::npos; ++depth) {
      prefixes.insert(name.substr(0, dot + 1));
      dot = name.find('.', dot + 1);
    }
  }
  return prefixes;
}

// The one prefix that makes most of the smaller model's names equal; nothing if two do as well.
std::optional<Bridge> find_bridge(const std::vector<std::string>& names,
                                  const std::vector<std::string>& reference) {
  const Names known(reference.begin(), reference.end());
  const std::size_t plain = shared_names(names, known);
  const std::size_t wanted = std::min(names.size(), reference.size()) / 2 + 1;
  if (plain >= wanted) return std::nullopt;
  std::vector<Bridge> found;
  const auto consider = [&](Bridge bridge) {
    for (const std::string& name : names) bridge.matches += known.contains(cross(bridge, name));
    if (bridge.matches >= wanted) found.push_back(std::move(bridge));
  };
  for (const std::string& prefix : prefixes_of(names)) consider({prefix, "", 0});
  for (const std::string& prefix : prefixes_of(reference)) consider({"", prefix, 0});
  if (found.empty()) return std::nullopt;
  const auto fewer = [](const Bridge& a, const Bridge& b) { return a.matches < b.matches; };
  const auto best = std::max_element(found.begin(), found.end(), fewer);
  const auto equal = std::count_if(found.begin(), found.end(), [&](const Bridge& bridge) {
    return bridge.matches == best->matches;
  });
  if (equal != 1) return std::nullopt;
  return *best;
}

// Classes of one family (BertModel, BertForMaskedLM) are the same architecture; so are two classes
// that no family knows, if their names fit. Without a config there is nothing to contradict.
bool declares_another_family(const PlanModel& model, const PlanModel& target) {
  const bool declared =
      !model.architecture.architecture().empty() && !target.architecture.architecture().empty();
  return declared && model.architecture.family() != target.architecture.family();
}

std::string described(const PlanModel& model) {
  const Architecture& architecture = model.architecture;
  return architecture.inferred() ? architecture.architecture() + " (unknown, or not by its names)"
                                 : architecture.family();
}

void map_by_role(PlanModel& model, const PlanModel& reference) {
  const Json* config = model.config();
  const Json* reference_config = reference.config();
  if (config == nullptr || reference_config == nullptr) {
    throw Error(ErrorKind::mismatch, "mixed architectures need a config.json in every model")
        .in_file((config == nullptr ? model : reference).path.string());
  }
  const std::vector<std::string> reasons =
      reference.architecture.incompatibilities(*reference_config, model.architecture, *config);
  if (!reasons.empty()) {
    const std::string more =
        reasons.size() > 1 ? fmt::format(" (and {} more differences)", reasons.size() - 1) : "";
    throw Error(
        ErrorKind::mismatch,
        fmt::format("{} layers do not fit among {} layers: {}{}", model.architecture.family(),
                    reference.architecture.family(), reasons.front(), more))
        .in_file(model.path.string());
  }
  for (std::string& name : model.names) {
    const TensorPlace place = model.architecture.place(name);
    const auto mapped = place.role.empty() ? std::nullopt
                                           : reference.architecture.name_for_role(
                                                 place.role, place.layer.value_or(0));
    // Without a role it has no name there: left out, or an error where a slice needs it.
    name = mapped.value_or("");
  }
}

void bridge_prefix(PlanModel& model, const PlanModel& target, std::vector<std::string>& notes) {
  const auto bridge = find_bridge(model.names, target.names);
  if (!bridge) return;
  for (std::string& name : model.names) name = cross(*bridge, name);
  model.prefix_removed = bridge->removed;
  model.prefix_added = bridge->added;
  const bool added = bridge->removed.empty();
  notes.push_back(fmt::format("{}: names are read {} the prefix '{}' ({} of {} tensors match)",
                              model.path.string(), added ? "with" : "without",
                              added ? bridge->added : bridge->removed, bridge->matches,
                              model.names.size()));
}

// Other spellings of a name ("LayerNorm.gamma") become the reference's own.
void respell(PlanModel& model, const PlanModel& target, std::vector<std::string>& notes) {
  const Names known(target.names.begin(), target.names.end());
  Names own(model.names.begin(), model.names.end());
  std::size_t respelled = 0;
  for (std::string& name : model.names) {
    if (known.contains(name)) continue;
    for (const std::string& alias : target.architecture.aliases(name)) {
      if (!known.contains(alias) || !own.insert(alias).second) continue;
      name = alias;
      ++respelled;
      break;
    }
  }
  if (respelled == 0) return;
  notes.push_back(fmt::format("{}: {} tensors are read under their other names in {}",
                              model.path.string(), respelled, target.path.string()));
}

}  // namespace

ModelRef model_ref(const std::string& name) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(name, ignored))) return parse_model_ref(name);
  ModelRef ref;
  ref.path = name;
  return ref;
}

PlanModel open_model(const ModelRef& ref, const std::string& recipe_file) {
  PlanModel model;
  model.ref = ref;
  Located place = locate(ref.path, ref.revision, ref.mark, recipe_file);
  model.path = std::move(place.path);
  model.hub = std::move(place.hub);
  model.file = std::make_shared<const FileSource>(Checkpoint::open(model.path));
  model.source = model.file;
  if (!ref.task.empty()) {
    const auto task = TaskSource::open(model.file, ref.task, ref.task_base);
    model.also_read = task->others();
    model.source = task;
  }
  const Checkpoint& checkpoint = model.file->checkpoint();
  model.architecture = resolve_architecture(model.path.string(), checkpoint.config(),
                                            model.headers(), ref.override_architecture);
  if (!ref.lora_path.empty()) {
    Located adapter = locate(ref.lora_path, ref.lora_revision, ref.mark, recipe_file);
    model.adapter_hub = std::move(adapter.hub);
    add_adapter(model, adapter.path);
  }
  return as_opened(std::move(model));
}

PlanModel as_opened(PlanModel model) {
  model.names.clear();
  for (const TensorInfo& header : model.headers()) model.names.push_back(header.name);
  model.used.assign(model.names.size(), false);
  model.prefix_removed.clear();
  model.prefix_added.clear();
  return model;
}

bool reads_the_same(const PlanModel& a, const PlanModel& b) {
  return a.path == b.path && a.ref.task == b.ref.task && a.ref.task_base == b.ref.task_base &&
         a.adapter_path == b.adapter_path && a.ref.lora_scale == b.ref.lora_scale;
}

PlanModel open_document(const ModelRef& ref, std::shared_ptr<const Plan> document) {
  PlanModel model;
  model.ref = ref;
  model.path = document->recipe.name;
  model.document_headers = document->outputs();
  model.architecture = resolve_architecture(model.path.string(), document->config.get(),
                                            model.document_headers, ref.override_architecture);
  for (const TensorInfo& header : model.document_headers) model.names.push_back(header.name);
  model.used.assign(model.names.size(), false);
  model.document = std::move(document);
  return model;
}

std::vector<PlanModel> open_models(const Recipe& recipe,
                                   std::span<const std::shared_ptr<const Plan>> documents) {
  std::vector<PlanModel> models;
  for (const ModelRef& ref : recipe.referenced_models()) {
    const auto named = [&](const auto& document) { return document->recipe.name == ref.path; };
    const auto document = std::find_if(documents.begin(), documents.end(), named);
    models.push_back(document == documents.end() ? open_model(ref, recipe.file)
                                                 : open_document(ref, *document));
  }
  return models;
}

const std::vector<TensorInfo>& PlanModel::headers() const {
  return document ? document_headers : source->headers();
}

DType PlanModel::dtype(std::size_t tensor) const {
  return document ? document_headers[tensor].dtype : source->read_dtype(tensor);
}

std::uint64_t PlanModel::bytes_to_read(std::size_t tensor) const {
  return document ? document_headers[tensor].bytes() : source->bytes_to_read(tensor);
}

const Json* PlanModel::config() const {
  if (adapted_config) return adapted_config.get();
  return document ? document->config.get() : file->checkpoint().config();
}

bool PlanModel::single_file() const {
  return document ? document->single_file : file->checkpoint().single_file();
}

void bridge_names(std::vector<PlanModel>& models, std::size_t reference, bool allow_mixed,
                  std::vector<std::string>& notes) {
  const PlanModel& target = models[reference];
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (i == reference) continue;
    PlanModel& model = models[i];
    const bool known = !model.architecture.inferred() && !target.architecture.inferred();
    if (declares_another_family(model, target) && !allow_mixed) {
      throw Error(ErrorKind::mismatch,
                  fmt::format("its architecture is {}, but {} is {}", described(model),
                              target.path.string(), described(target)))
          .in_file(model.path.string())
          .hint("--allow-mixed-architectures stacks layers of different families that fit");
    }
    if (known && model.architecture.family() != target.architecture.family()) {
      map_by_role(model, target);
      notes.push_back(fmt::format("{}: {} tensors are named by their role in {}",
                                  model.path.string(), model.architecture.family(),
                                  target.architecture.family()));
      continue;
    }
    bridge_prefix(model, target, notes);
    respell(model, target, notes);
  }
}

void bridge_prefixes(std::vector<PlanModel>& models, std::size_t reference,
                     std::vector<std::string>& notes) {
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (i != reference) bridge_prefix(models[i], models[reference], notes);
  }
}

std::size_t model_index(const std::vector<PlanModel>& models, const ModelRef& ref) {
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (models[i].ref.same_as(ref)) return i;
  }
  throw Error(ErrorKind::recipe,
              fmt::format("model '{}' is not part of the recipe", ref.to_string()))
      .at(ref.mark.line, ref.mark.column);
}

}  // namespace merganser
