#include "merganser/tune.h"

#include <nlohmann/json.hpp>

#include "api/json_numbers.h"
#include "api/report_text.h"
#include "api/runtime_library.h"
#include "base/json.h"

namespace merganser {
namespace {

Json to_json(const TuneReport::Candidate& candidate) {
  Json json = {{"values", candidate.values}, {"accepted", candidate.accepted}};
  if (!candidate.failure.empty()) {
    json["failure"] = candidate.failure;
    return json;
  }
  json["metrics"] = numbers(candidate.metrics);
  if (!candidate.gains.empty()) json["gains"] = numbers(candidate.gains);
  json["objective"] = number(candidate.objective);
  return json;
}

Json of_report(const EvaluateReport& report) { return Json::parse(report.json()); }

}  // namespace

std::string TuneReport::json() const {
  Json tasks_json = Json::array(), candidates_json = Json::array();
  for (const Task& task : tasks) {
    tasks_json.push_back({{"name", task.name},
                          {"metric", task.metric},
                          {"smaller_is_better", task.smaller_is_better},
                          {"rows", task.rows}});
  }
  for (const Candidate& candidate : candidates) candidates_json.push_back(to_json(candidate));
  Json json = {{"strategy", strategy},
               {"objective", objective},
               {"validation", validation},
               {"parameters", parameters},
               {"tasks", std::move(tasks_json)},
               {"candidates", std::move(candidates_json)},
               {"best", best ? Json(*best) : Json(nullptr)},
               {"recipe", recipe},
               {"output", output},
               {"interrupted", interrupted},
               {"merge_seconds", merge_seconds},
               {"evaluate_seconds", evaluate_seconds},
               {"seconds", seconds},
               {"notes", notes}};
  if (!references.rows.empty()) json["references"] = of_report(references);
  if (!tested.rows.empty()) json["tested"] = of_report(tested);
  return report_text(json);
}

TuneReport tune(const TuneRequest& request, Progress& progress) {
  return runtime().tune(request, progress);
}

TuneReport soup(const SoupRequest& request, Progress& progress) {
  return runtime().soup(request, progress);
}

}  // namespace merganser
