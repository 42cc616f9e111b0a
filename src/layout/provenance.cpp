#include "layout/provenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "adapter/lora_source.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/hash_file.h"
#include "base/text.h"
#include "recipe/format.h"

namespace merganser {
namespace {

Json to_json(const Settings::Table& table) {
  Json result = Json::object();
  for (const auto& [name, value] : table) {
    std::visit([&, key = name](const auto& plain) { result[key] = plain; }, value);
  }
  return result;
}

Json to_json(const HubSnapshot& hub) {
  return {{"name", hub.name}, {"revision", hub.revision}, {"commit", hub.commit}};
}

// What the hub's cache says of its files.
void add_blobs(Json& line, const Checkpoint& checkpoint) {
  Json blobs = Json::object();
  for (const auto& [file, hash] : blob_hashes(checkpoint.files())) blobs[file] = "sha256:" + hash;
  if (!blobs.empty()) line["blobs"] = std::move(blobs);
}

Json strings(const Plan& plan, const std::vector<std::string>& sentences) {
  Json result = Json::array();
  for (const std::string& sentence : sentences) result.push_back(as_written(plan, sentence));
  return result;
}

// Text of a JSON object, member by member.
class Writer {
 public:
  void member(std::string_view name, const Json& value) { raw(name, json_line(value)); }

  void raw(std::string_view name, std::string_view value) {
    text_ += fmt::format("{}\n  {}: {}", text_ == "{" ? "" : ",", quoted(name), value);
  }

  // One item a line.
  void lines(std::string_view name, const std::vector<std::string>& items, char open = '[') {
    std::string value(1, open);
    for (std::size_t i = 0; i < items.size(); ++i) {
      value += fmt::format("{}\n    {}", i == 0 ? "" : ",", items[i]);
    }
    if (!items.empty()) value += "\n  ";
    raw(name, value += open == '[' ? ']' : '}');
  }

  std::string finish() && { return std::move(text_ += "\n}\n"); }

  static std::string quoted(std::string_view text) { return json_line(Json(std::string(text))); }

 private:
  std::string text_ = "{";
};

std::string hash_of(const std::string& text) {
  const auto hasher = Hasher::make(HashKind::sha256);
  hasher->update(std::as_bytes(std::span(text)));
  return hasher->finish();
}

class Teller {
 public:
  // `parents`: by model, the key of its own provenance or "".
  Teller(const Plan& plan, const ProvenanceFacts& facts, const std::vector<std::string>& parents)
      : plan_(plan), facts_(facts), parents_(parents) {}

  std::string model(std::size_t index) const {
    const PlanModel& model = plan_.models[index];
    Json line = {{"ref", model.ref.to_string()}, {"role", is_base(index) ? "base" : "input"}};
    if (index == plan_.reference) line["reference"] = true;
    if (model.document) {
      line["document"] = model.document->recipe.name;
    } else if (const std::string& config = model.file->checkpoint().config_text();
               !config.empty()) {
      line["config"] = hash_of(config);
    }
    if (model.hub) line["hub"] = to_json(*model.hub);
    if (model.file) add_blobs(line, model.file->checkpoint());
    if (model.adapted) {
      Json& told = line["adapter"] = adapter(*model.adapted);
      if (model.adapter_hub) told["hub"] = to_json(*model.adapter_hub);
    }
    if (!model.prefix_removed.empty()) line["prefix_removed"] = model.prefix_removed;
    if (!model.prefix_added.empty()) line["prefix_added"] = model.prefix_added;
    if (!parents_[index].empty()) line["provenance"] = parents_[index];
    return json_line(line);
  }

  std::string tensor(std::size_t index) const {
    const PlanJob& job = plan_.jobs[index];
    Json line = {{"name", job.output.name},
                 {"dtype", safetensors_name(job.output.dtype)},
                 {"shape", job.output.shape},
                 {"action", name_of(job.action)}};
    line["inputs"] = inputs(job.inputs);
    if (job.base) line["base"] = input(*job.base);
    if (!job.unread.empty()) line["unread"] = inputs(job.unread);
    if (Json parameters = settings(job.settings); !parameters.empty()) {
      line["parameters"] = std::move(parameters);
    }
    if (job.change_scale != 1) line["change_scale"] = job.change_scale;
    if (!job.note.empty()) line["note"] = as_written(plan_, job.note);
    if (index < facts_.facts.size() && !facts_.facts[index].empty()) {
      line["facts"] = facts(facts_.facts[index]);
    }
    if (index < facts_.output_hashes.size() && !facts_.output_hashes[index].empty()) {
      line["hash"] = facts_.output_hashes[index];
    }
    if (!job.masks.empty() && !facts_.mask_hashes.empty()) {
      Json hashes = Json::array();
      for (const std::size_t mask : job.masks) hashes.push_back(facts_.mask_hashes[mask]);
      line["masks"] = std::move(hashes);
    }
    if (index < facts_.output_non_finite.size() && facts_.output_non_finite[index] > 0) {
      line["nan_or_inf"] = facts_.output_non_finite[index];
    }
    return json_line(line);
  }

  std::string left_out(const LeftOut& entry) const {
    return json_line(Json{{"model", entry.model},
                          {"tensor", entry.tensor},
                          {"reason", as_written(plan_, entry.reason)}});
  }

 private:
  // The adapter's scale, and what tells whether it is the same one.
  Json adapter(const LoraSource& source) const {
    const Adapter& adapter = source.adapter();
    Json told = {{"scale", source.factor()}, {"config", hash_of(adapter.config_text())}};
    const std::string weights = hash_file(adapter.weights().files().front(), facts_.hash);
    if (!weights.empty()) told["weights"] = weights;
    return told;
  }

  bool is_base(std::size_t index) const {
    const auto& base = plan_.recipe.base_model;
    return base && plan_.models[index].ref.same_as(*base);
  }

  Json input(const PlanInput& input) const {
    const std::pair key(input.model, input.tensor);
    Json line = {{"model", input.model},
                 {"tensor", plan_.models[input.model].headers()[input.tensor].name}};
    if (const auto hash = facts_.input_hashes.find(key);
        hash != facts_.input_hashes.end() && !hash->second.empty()) {
      line["hash"] = hash->second;
    }
    if (const auto count = facts_.input_non_finite.find(key);
        count != facts_.input_non_finite.end() && count->second > 0) {
      line["nan_or_inf"] = count->second;
    }
    return line;
  }

  Json inputs(const std::vector<PlanInput>& list) const {
    Json result = Json::array();
    for (const PlanInput& item : list) result.push_back(input(item));
    return result;
  }

  static Json facts(const std::vector<Fact>& told) {
    Json result = Json::object();
    for (const Fact& fact : told) {
      if (fact.values.size() == 1) {
        result[fact.name] = fact.values[0];
      } else {
        result[fact.name] = fact.values;
      }
    }
    return result;
  }

  // The table of an input lies at its place in "inputs"; where a tensor is copied because of the
  // settings, all inputs' tables are there, in the recipe's order.
  static Json settings(const Settings& settings) {
    Json result = Json::object();
    if (!settings.shared.empty()) result["shared"] = to_json(settings.shared);
    const auto filled = [](const Settings::Table& table) { return !table.empty(); };
    if (std::ranges::any_of(settings.per_input, filled)) {
      Json tables = Json::array();
      for (const Settings::Table& table : settings.per_input) tables.push_back(to_json(table));
      result["per_input"] = std::move(tables);
    }
    return result;
  }

  const Plan& plan_;
  const ProvenanceFacts& facts_;
  const std::vector<std::string>& parents_;
};

Json tell(const FolderContents& contents) {
  Json copied = Json::array(), left_out = Json::object();
  for (const CompanionFile& file : contents.companions.copied) copied.push_back(file.name);
  for (const LeftOutFile& file : contents.companions.left_out) left_out[file.name] = file.reason;
  return {{"copied", copied}, {"written", contents.written}, {"left_out", left_out}};
}

Json dtype_json(const std::optional<DType>& dtype) {
  return dtype ? Json(torch_name(*dtype)) : Json(nullptr);
}

// A document whose output was computed on the way.
std::string document_line(const Plan& plan, const ProvenanceFacts& facts,
                          const std::vector<std::string>& parents) {
  ProvenanceFacts own;
  own.hash = facts.hash;
  if (const auto found = facts.document_hashes.find(plan.recipe.name);
      found != facts.document_hashes.end()) {
    own.input_hashes = found->second;
  }
  const Teller teller(plan, own, parents);
  std::vector<std::string> models, tensors, left_out;
  for (std::size_t i = 0; i < plan.models.size(); ++i) models.push_back(teller.model(i));
  for (std::size_t i = 0; i < plan.jobs.size(); ++i) tensors.push_back(teller.tensor(i));
  for (const LeftOut& entry : plan.left_out) left_out.push_back(teller.left_out(entry));
  return fmt::format(
      "{{\"name\":{},\"method\":{},\"seed\":{},\"dtype\":{},\"out_dtype\":{},\"models\":[{}],"
      "\"tensors\":[{}],\"left_out\":[{}]}}",
      Writer::quoted(plan.recipe.name), Writer::quoted(plan.method->name), plan.recipe.seed,
      json_line(dtype_json(plan.recipe.dtype)), json_line(dtype_json(plan.recipe.out_dtype)),
      join(models, ","), join(tensors, ","), join(left_out, ","));
}

}  // namespace

std::string as_written(const Plan& plan, std::string sentence) {
  std::vector<std::pair<std::string, std::string>> names;  // as found, as written
  for (const PlanModel* model : plan.checkpoints()) {
    names.emplace_back(model->path.string(), model->ref.to_string());
    if (model->adapted) names.emplace_back(model->adapter_path.string(), model->ref.lora_path);
  }
  // The longest first: "m/one" before "m".
  std::ranges::stable_sort(
      names, [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  for (const auto& [found, written] : names) {
    if (found.empty() || found == written) continue;
    for (std::size_t at = 0; (at = sentence.find(found, at)) != sentence.npos;) {
      sentence.replace(at, found.size(), written);
      at += written.size();
    }
  }
  return sentence;
}

std::string recipe_text(const Plan& plan) {
  return plan.recipe.text.empty() ? to_yaml(plan.recipe) : plan.recipe.text;
}

std::string provenance_text(const Plan& plan, const ProvenanceFacts& facts, const Lineage& lineage,
                            const FolderContents& contents) {
  const Teller teller(plan, facts, lineage.of_model);
  std::vector<std::string> models, tensors, left_out, ancestors, documents;
  for (std::size_t i = 0; i < plan.models.size(); ++i) models.push_back(teller.model(i));
  for (std::size_t i = 0; i < plan.jobs.size(); ++i) tensors.push_back(teller.tensor(i));
  for (const LeftOut& entry : plan.left_out) left_out.push_back(teller.left_out(entry));
  for (const auto& document : plan.documents()) {
    documents.push_back(document_line(*document, facts, lineage.of_document.at(document)));
  }
  for (const auto& [key, line] : lineage.ancestors) {
    ancestors.push_back(fmt::format("{}: {}", Writer::quoted(key), line));
  }
  std::vector<std::string> notes = plan.notes;
  notes.insert(notes.end(), contents.companions.notes.begin(), contents.companions.notes.end());
  notes.insert(notes.end(), lineage.notes.begin(), lineage.notes.end());

  Writer writer;
  writer.member("merganser", facts.version);
  writer.member("format", 1);
  writer.member("method", plan.method->name);
  writer.member("seed", plan.recipe.seed);
  writer.member("dtype", dtype_json(plan.recipe.dtype));
  writer.member("out_dtype", dtype_json(plan.recipe.out_dtype));
  writer.member("hash", merganser::name_of(facts.hash));
  if (!facts.blas_library.empty()) {
    writer.member("blas", {{"library", facts.blas_library},
                           {"kernel", facts.blas_kernel},
                           {"threads", facts.blas_threads}});
  }
  if (!facts.non_finite.empty()) writer.member("nan", facts.non_finite);
  if (plan.options.seed) writer.member("seed_override", *plan.options.seed);
  if (plan.options.max_shard != PlanOptions{}.max_shard) {
    writer.member("max_shard", plan.options.max_shard);
  }
  if (!plan.options.only.empty()) writer.member("only", plan.options.only);
  if (plan.options.allow_mixed_architectures) writer.member("allow_mixed_architectures", true);
  writer.member("recipe", recipe_text(plan));
  if (!documents.empty()) writer.lines("documents", documents);
  writer.lines("models", models);
  writer.lines("tensors", tensors);
  writer.lines("left_out", left_out);
  writer.member("warnings", strings(plan, plan.warnings));
  writer.member("notes", strings(plan, notes));
  writer.member("companions", tell(contents));
  if (!contents.hashes.empty()) {
    Json files = Json::object();
    for (const auto& [name, hash] : contents.hashes) files[name] = hash;
    writer.member("files", files);
  }
  writer.lines("ancestors", ancestors, '{');
  return std::move(writer).finish();
}

}  // namespace merganser
