#include "merganser/train.h"

#include <nlohmann/json.hpp>

#include "api/report_text.h"
#include "api/runtime_library.h"
#include "base/json.h"

namespace merganser {

std::string TrainReport::json() const {
  Json tasks_json = Json::array(), validations_json = Json::array();
  for (const Task& task : tasks) {
    Json hashes = Json::object();
    for (const auto& [file, hash] : task.hashes) hashes[file] = hash;
    tasks_json.push_back({{"name", task.name},
                          {"metric", task.metric},
                          {"rows", task.rows},
                          {"validation_rows", task.validation_rows},
                          {"files", std::move(hashes)}});
  }
  for (const Validation& each : validations) {
    Json of_tasks = Json::object();
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      of_tasks[tasks[t].name] = {{"loss", each.losses[t]}, {tasks[t].metric, each.metrics[t]}};
    }
    validations_json.push_back(
        {{"step", each.step}, {"loss", each.loss}, {"tasks", std::move(of_tasks)}});
  }
  return report_text({{"output", output},
                      {"kind", kind},
                      {"parameters", parameters},
                      {"trained", trained},
                      {"tasks", std::move(tasks_json)},
                      {"losses", losses},
                      {"validations", std::move(validations_json)},
                      {"kept_step", kept_step},
                      {"unreached", unreached},
                      {"notes", notes},
                      {"seconds", seconds},
                      {"rows_per_second", rows_per_second}});
}

std::string FitHeadReport::json() const {
  Json fits_json = Json::array();
  for (const Fit& fit : fits) {
    fits_json.push_back({{"penalty", fit.penalty},
                         {"loss", fit.loss},
                         {"validation_loss", fit.validation_loss},
                         {"validation_accuracy", fit.validation_accuracy},
                         {"iterations", fit.iterations},
                         {"converged", fit.converged}});
  }
  return report_text({{"output", output},
                      {"task", task},
                      {"rows", rows},
                      {"validation_rows", validation_rows},
                      {"classes", classes},
                      {"width", width},
                      {"fits", std::move(fits_json)},
                      {"penalty", penalty},
                      {"notes", notes},
                      {"seconds", seconds}});
}

TrainReport train(const TrainRequest& request, Progress& progress) {
  return runtime().train(request, progress);
}

FitHeadReport fit_head(const FitHeadRequest& request, Progress& progress) {
  return runtime().fit_head(request, progress);
}

}  // namespace merganser
