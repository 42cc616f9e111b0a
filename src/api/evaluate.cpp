#include "merganser/evaluate.h"

#include <nlohmann/json.hpp>

#include "api/json_numbers.h"
#include "api/report_text.h"
#include "api/runtime_library.h"
#include "base/json.h"
#include "merganser/merganser.h"

namespace merganser {
namespace {

constexpr int kSchema = 1;  // of the document

Json to_json(const EvaluateReport::Figure& figure) {
  Json json = {{"value", number(figure.value)},
               {"interval", {number(figure.low), number(figure.high)}}};
  if (figure.gain) {
    json["gain"] = number(*figure.gain);
    json["gain_interval"] = {number(figure.gain_low.value_or(*figure.gain)),
                             number(figure.gain_high.value_or(*figure.gain))};
  }
  return json;
}

}  // namespace

std::string EvaluateReport::json() const {
  Json tasks_json = Json::array(), rows_json = Json::array();
  for (const Task& task : tasks) {
    Json json = {{"name", task.name},
                 {"metric", task.metric},
                 {"smaller_is_better", task.smaller_is_better},
                 {"rows", task.rows}};
    if (!task.best_input.empty()) json["best_input"] = task.best_input;
    tasks_json.push_back(std::move(json));
  }
  for (const Row& row : rows) {
    Json figures = Json::object();
    for (std::size_t t = 0; t < tasks.size(); ++t) figures[tasks[t].name] = to_json(row.figures[t]);
    rows_json.push_back({{"name", row.name}, {"kind", row.kind}, {"tasks", std::move(figures)}});
  }
  return report_text({{"document", "evaluation"},
                      {"schema", kSchema},
                      {"merganser", version()},
                      {"split", split},
                      {"tasks", std::move(tasks_json)},
                      {"rows", std::move(rows_json)},
                      {"notes", notes},
                      {"report", report},
                      {"seconds", seconds}});
}

EvaluateReport evaluate(const EvaluateRequest& request, Progress& progress) {
  return runtime().evaluate(request, progress);
}

}  // namespace merganser
