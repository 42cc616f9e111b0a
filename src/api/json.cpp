// The reports as JSON documents.
#include <nlohmann/json.hpp>

#include "api/json_numbers.h"
#include "api/report_text.h"
#include "base/json.h"
#include "merganser/merganser.h"

namespace merganser {
namespace {

Json to_json(const TensorReport& tensor) {
  Json inputs = Json::array();
  for (const auto& input : tensor.inputs) {
    inputs.push_back({{"model", input.model}, {"tensor", input.tensor}, {"read", input.read}});
  }
  Json json = {{"name", tensor.name},     {"dtype", tensor.dtype}, {"shape", tensor.shape},
               {"action", tensor.action}, {"place", tensor.place}, {"role", tensor.role}};
  if (tensor.layer) json["layer"] = *tensor.layer;
  json["inputs"] = std::move(inputs);
  json["sweeps"] = tensor.sweeps;
  json["whole_model"] = tensor.whole_model;
  json["bytes_read"] = tensor.bytes_read;
  json["bytes_written"] = tensor.bytes_written;
  for (const auto& [name, value] : tensor.parameters) json["parameters"][name] = value;
  if (!tensor.note.empty()) json["note"] = tensor.note;
  return json;
}

}  // namespace

std::string PlanReport::json() const {
  Json tensors_json = Json::array(), left_out_json = Json::array();
  for (const TensorReport& tensor : tensors) tensors_json.push_back(to_json(tensor));
  for (const LeftOutReport& entry : left_out) {
    left_out_json.push_back(
        {{"model", entry.model}, {"tensor", entry.tensor}, {"reason", entry.reason}});
  }
  Json documents_json = Json::array();
  for (const auto& [name, by] : documents) {
    documents_json.push_back({{"name", name}, {"method", by}});
  }
  Json json = {{"method", method},
               {"documents", std::move(documents_json)},
               {"architecture", architecture},
               {"output", output},
               {"models", models},
               {"seed", seed},
               {"threads", threads},
               {"chunk_elements", chunk_elements},
               {"bytes_read", bytes_read},
               {"bytes_written", bytes_written},
               {"tensor_bytes", tensor_bytes},
               {"scratch_bytes", scratch_bytes},
               {"peak_memory", peak_memory},
               {"free_space", free_space ? Json(*free_space) : Json(nullptr)},
               {"files", files},
               {"companions", companions},
               {"warnings", warnings},
               {"notes", notes},
               {"left_out", std::move(left_out_json)},
               {"tensors", std::move(tensors_json)}};
  return report_text(json);
}

std::string MergeReport::json() const {
  const Json json = {{"output", output},
                     {"method", method},
                     {"tensors", tensors},
                     {"left_out", left_out},
                     {"resumed_tensors", resumed_tensors},
                     {"resumed_layers", resumed_layers},
                     {"files", files},
                     {"hash", hash},
                     {"bytes_read", bytes_read},
                     {"bytes_written", bytes_written},
                     {"non_finite_inputs", non_finite_inputs},
                     {"non_finite_outputs", non_finite_outputs},
                     {"seconds", seconds},
                     {"sync_seconds", sync_seconds},
                     {"threads", threads},
                     {"warnings", warnings},
                     {"notes", notes}};
  return report_text(json);
}

std::string CheckpointReport::json() const {
  Json modules_json = Json::array(), tensors_json = Json::array();
  for (const Module& module : modules) {
    modules_json.push_back({{"name", module.name},
                            {"layers", module.layers},
                            {"layer_prefix", module.prefix},
                            {"layers_key", module.layers_key}});
  }
  for (const Tensor& tensor : tensors) {
    Json json = {{"name", tensor.name},   {"dtype", tensor.dtype}, {"shape", tensor.shape},
                 {"place", tensor.place}, {"role", tensor.role},   {"file", tensor.file},
                 {"bytes", tensor.bytes}};
    if (tensor.layer) json["layer"] = *tensor.layer;
    tensors_json.push_back(std::move(json));
  }
  Json dtypes_json = Json::object(), tied_json = Json::array();
  for (const auto& [dtype, count] : dtypes) dtypes_json[dtype] = count;
  for (const auto& [name, source] : tied) {
    tied_json.push_back({{"name", name}, {"source", source}});
  }
  const Json json = {{"path", path},
                     {"family", family},
                     {"architecture", architecture},
                     {"inferred", inferred},
                     {"elements", elements},
                     {"bytes", bytes},
                     {"dtypes", std::move(dtypes_json)},
                     {"files", files},
                     {"modules", std::move(modules_json)},
                     {"tied", std::move(tied_json)},
                     {"notes", notes},
                     {"tensors", std::move(tensors_json)}};
  return report_text(json);
}

std::string DiffReport::json() const {
  Json tensors_json = Json::array();
  for (const Tensor& tensor : tensors) {
    Json json = {{"name", tensor.name},
                 {"elements", tensor.elements},
                 {"identical", tensor.identical},
                 {"cosine", number(tensor.cosine)},
                 {"max_difference", number(tensor.max_difference)},
                 {"rms_difference", number(tensor.rms_difference)},
                 {"relative", number(tensor.relative)},
                 {"non_finite", tensor.non_finite}};
    if (!tensor.problem.empty()) json["problem"] = tensor.problem;
    tensors_json.push_back(std::move(json));
  }
  const Json json = {{"a", a},
                     {"b", b},
                     {"base", base},
                     {"equal", equal()},
                     {"identical", identical},
                     {"notes", notes},
                     {"tensors", std::move(tensors_json)}};
  return report_text(json);
}

std::string ReplayReport::json() const {
  Json differences_json = Json::array();
  for (const ReplayDifference& difference : differences) {
    differences_json.push_back(
        {{"what", difference.what}, {"recorded", difference.recorded}, {"now", difference.now}});
  }
  const Json json = {{"provenance", provenance},
                     {"output", output},
                     {"same", same()},
                     {"recorded_version", recorded_version},
                     {"version", version()},
                     {"hash", hash},
                     {"tensors", tensors},
                     {"seconds", merge.seconds},
                     {"differences", std::move(differences_json)}};
  return report_text(json);
}

}  // namespace merganser
