#include "api/analysis_json.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>
#include <variant>

#include "analyze/median_rank.h"
#include "api/json_numbers.h"
#include "api/report_text.h"
#include "base/json.h"
#include "merganser/merganser.h"

namespace merganser {
namespace {

Json losses_json(const Aggregate& group) {
  Json list = Json::array();
  for (const auto& losses : group.losses) list.push_back(numbers(losses));
  return list;
}

Json zones_json(const std::optional<Zones>& zones, bool with_k) {
  if (!zones) return nullptr;
  Json json = Json::object();
  if (with_k) json["k"] = zones->k;
  json["I"] = number(zones->one);
  json["II"] = number(zones->two);
  json["II_III"] = number(zones->two_three);
  return json;
}

Json spectrum_json(const std::optional<Spectrum>& spectrum) {
  if (!spectrum || spectrum->s.empty()) return nullptr;
  const auto rank = spectrum->rank_90();
  return {{"singular_values", numbers(spectrum->s)},
          {"residual", number(spectrum->residual())},
          {"effective_rank", number(spectrum->effective_rank())},
          {"stable_rank", number(spectrum->stable_rank())},
          {"rank_90", rank ? Json(*rank) : Json(nullptr)}};
}

Json rank_json(const MedianRank& median) {
  return {{"median", median.rank ? Json(*median.rank) : Json(nullptr)},
          {"matrices", median.matrices},
          {"beyond", median.beyond}};
}

Json angles_json(const std::optional<Angles>& angles) {
  if (!angles) return nullptr;
  return {{"input", numbers(angles->input)}, {"output", numbers(angles->output)}};
}

Json pair_json(const PairFigures& pair) {
  return {{"cosine", number(pair.cosine)},
          {"sign_conflict", number(pair.sign_conflict)},
          {"sign_conflict_top", number(pair.sign_conflict_top)},
          {"overlap_top", number(pair.overlap_top)}};
}

std::string short_name(DType dtype) {
  std::string name(safetensors_name(dtype));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

Json tensor_json(const AnalysedTensor& tensor, const TensorFigures& figures, const Aggregate& own) {
  Json changes = Json::array(), pairs = Json::array();
  const auto size = static_cast<double>(std::max<std::uint64_t>(1, tensor.size()));
  for (std::size_t i = 0; i < figures.changes.size(); ++i) {
    const ChangeSums& change = figures.changes[i];
    changes.push_back({{"norm", number(own.changes[i].norm)},
                       {"relative", number(own.changes[i].relative)},
                       {"max", number(change.max)},
                       {"changed_share", static_cast<double>(change.changed) / size},
                       {"spectrum", spectrum_json(change.spectrum)},
                       {"zones", zones_json(change.zones, true)}});
  }
  for (std::size_t p = 0; p < figures.pairs.size(); ++p) {
    Json pair = pair_json(own.pairs[p]);
    pair["angles"] = angles_json(figures.pairs[p].angles);
    pairs.push_back(std::move(pair));
  }
  Json json = {{"name", tensor.name}, {"role", tensor.role}};
  if (!tensor.module.empty()) json["module"] = tensor.module;
  json["layer"] = tensor.place.layer ? Json(*tensor.place.layer) : Json(nullptr);
  json["part"] = name_of(tensor.part);
  json["shape"] = tensor.shape;
  json["dtype"] = short_name(tensor.dtype);
  json["elements"] = tensor.size();
  json["base_norm"] = number(own.base_norm);
  json["changes"] = std::move(changes);
  json["pairs"] = std::move(pairs);
  json["losses"] = losses_json(own);
  return json;
}

void add_aggregate(Json& json, const Aggregate& group) {
  Json changes = Json::array(), pairs = Json::array();
  for (const ChangeFigures& change : group.changes) {
    changes.push_back({{"norm", number(change.norm)},
                       {"relative", number(change.relative)},
                       {"share", number(change.share)},
                       {"zones", zones_json(change.zones, false)}});
  }
  for (const PairFigures& pair : group.pairs) pairs.push_back(pair_json(pair));
  json["elements"] = group.elements;
  json["base_norm"] = number(group.base_norm);
  json["changes"] = std::move(changes);
  json["pairs"] = std::move(pairs);
  json["losses"] = losses_json(group);
}

Json groups_json(const std::vector<NamedGroup>& groups, const char* key) {
  Json list = Json::array();
  for (const NamedGroup& group : groups) {
    Json json = {{key, group.name}};
    add_aggregate(json, group.figures);
    list.push_back(std::move(json));
  }
  return list;
}

Json layers_json(const std::vector<LayerGroup>& layers) {
  Json list = Json::array();
  for (const LayerGroup& layer : layers) {
    Json json = Json::object();
    if (!layer.module.empty()) json["module"] = layer.module;
    json["layer"] = layer.layer;
    add_aggregate(json, layer.figures);
    list.push_back(std::move(json));
  }
  return list;
}

Json methods_json(const std::vector<AnalysedMethod>& methods) {
  Json list = Json::array();
  for (const AnalysedMethod& method : methods) {
    Json parameters = Json::object();
    for (const auto& [name, value] : method.parameters) {
      std::visit([&](const auto& own) { parameters[name] = own; }, value);
    }
    list.push_back({{"name", method.name},
                    {"label", method.label},
                    {"from", method.from_recipe ? "recipe" : "usual"},
                    {"parameters", std::move(parameters)}});
  }
  return list;
}

Json smile_json(const std::vector<SmilePoint>& curve) {
  Json points = Json::array(), ranks = Json::array();
  for (const SmilePoint& point : curve) {
    ranks.push_back(point.rank);
    points.push_back({{"rank", point.rank},
                      {"parameters", point.parameters},
                      {"ratio", number(point.ratio)},
                      {"errors", numbers(point.errors)},
                      {"errors_linear", numbers(point.errors_linear)}});
  }
  return {{"curve", std::move(points)}, {"ranks", std::move(ranks)}};
}

Json advice_json(const std::vector<Advice>& advice) {
  Json list = Json::array();
  for (const Advice& one : advice) {
    Json values = Json::object();
    for (const auto& [name, value] : one.numbers) values[name] = number(value);
    list.push_back({{"topic", one.topic},
                    {"level", one.level},
                    {"text", one.text},
                    {"numbers", std::move(values)}});
  }
  return list;
}

}  // namespace

std::string analysis_document(const Analysis& analysis, const std::vector<Advice>& advice) {
  const AnalysisInputs& inputs = analysis.inputs;
  const AnalysisSettings& settings = analysis.settings;
  Json models = Json::array(), tensors = Json::array(), left_out = Json::array();
  for (std::size_t i = 0; i < inputs.models(); ++i) {
    models.push_back({{"name", inputs.name(i)},
                      {"kind", inputs.adapter(i) ? "lora" : "full"},
                      {"rank_90", rank_json(median_rank_90(analysis, i))}});
  }
  for (std::size_t t = 0; t < inputs.tensors.size(); ++t) {
    tensors.push_back(tensor_json(inputs.tensors[t], analysis.figures[t], analysis.tensors[t]));
  }
  for (const LeftOut& entry : inputs.left_out) {
    left_out.push_back({{"model", inputs.plan.models[entry.model].ref.to_string()},
                        {"tensor", entry.tensor},
                        {"reason", entry.reason}});
  }
  Json total = Json::object();
  add_aggregate(total, analysis.total);
  const Json document = {{"merganser", version()},
                         {"document", "analysis"},
                         {"schema", 1},
                         {"base", {{"name", inputs.plan.models[0].ref.to_string()}}},
                         {"models", std::move(models)},
                         {"settings",
                          {{"rank", settings.rank},
                           {"top_share", settings.top_share},
                           {"angles", settings.angles},
                           {"zones", settings.zones},
                           {"zone_share", settings.zone_share},
                           {"rank_of_router", settings.router_rank},
                           {"seed", settings.seed}}},
                         {"methods", methods_json(analysis.methods)},
                         {"notes", analysis.notes},
                         {"left_out", std::move(left_out)},
                         {"tensors", std::move(tensors)},
                         {"layers", layers_json(analysis.layers)},
                         {"roles", groups_json(analysis.roles, "role")},
                         {"parts", groups_json(analysis.parts, "part")},
                         {"total", std::move(total)},
                         {"smile", smile_json(analysis.curve)},
                         {"advice", advice_json(advice)}};
  return report_text(document);
}

}  // namespace merganser
