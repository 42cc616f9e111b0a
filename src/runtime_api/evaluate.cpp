#include "merganser/evaluate.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "base/error.h"
#include "evaluate/scores.h"
#include "evaluate/subject.h"
#include "runtime_api/functions.h"
#include "runtime_api/measured.h"
#include "runtime_api/open_model.h"
#include "search/candidate.h"

namespace merganser {
namespace {

class Evaluation {
 public:
  Evaluation(const EvaluateRequest& request, Progress& progress)
      : request_(request),
        progress_(progress),
        placement_(place_runtime(request.runtime)),
        subjects_(rt::read_subjects(request.tasks, request.split, placement_)) {}

  EvaluateReport run() {
    const std::size_t models =
        request_.models.size() + request_.inputs.size() + (request_.base.empty() ? 0 : 1);
    if (models == 0) throw Error(ErrorKind::usage, "no model is given");
    progress_.begin(rt::rows_of(subjects_) * models);
    std::vector<Measured> all;
    if (!request_.base.empty()) all.push_back(measure(request_.base, "base", false));
    const bool ensemble = request_.ensemble && request_.inputs.size() > 1;
    for (const std::string& name : request_.inputs) {
      all.push_back(measure(name, "input", ensemble));
    }
    if (ensemble) all.push_back(ensemble_of(all));
    for (const std::string& name : request_.models) all.push_back(measure(name, "model", false));
    report_.split = request_.split;
    fill_report(report_, subjects_, all);
    return std::move(report_);
  }

 private:
  Measured measure(const std::string& name, const std::string& kind, bool probabilities) {
    if (!is_recipe(name)) {
      const OpenModel opened = open_model(name, placement_);
      return measure(name, kind, probabilities, *opened.model);
    }
    progress_.stage("merging " + name);
    // Dropped with its model before the next one is opened.
    rt::Candidate candidate(placement_, request_.runtime.threads);
    Request merge;
    merge.recipe_file = name;
    const rt::Model& model = candidate.merge(merge, progress_);
    report_.notes.push_back(fmt::format("{} was merged in memory ({} tensors by {})", name,
                                        candidate.work().merged,
                                        candidate.prepared().plan.method->name));
    return measure(name, kind, probabilities, model);
  }

  Measured measure(const std::string& name, const std::string& kind, bool probabilities,
                   const rt::Model& model) {
    rt::check_fit(subjects_, model);
    progress_.stage("evaluating " + name);
    const rt::ScoreOptions options{request_.runtime.batch, probabilities};
    return {name, kind, rt::score(model, subjects_, options, progress_)};
  }

  Measured ensemble_of(std::vector<Measured>& all) const {
    Measured measured{"ensemble of the inputs", "ensemble", {}};
    for (std::size_t t = 0; t < subjects_.size(); ++t) {
      std::vector<rt::Scores> members;
      for (Measured& each : all) {
        if (each.kind != "input") continue;
        members.push_back(each.scores[t]);
        each.scores[t].probabilities.reset();  // the last who needs them
      }
      measured.scores.push_back(rt::ensemble(members, subjects_[t].examples));
    }
    return measured;
  }

  const EvaluateRequest& request_;
  Progress& progress_;
  rt::Placement placement_;
  std::vector<rt::Subject> subjects_;
  EvaluateReport report_;
};

}  // namespace

EvaluateReport runtime_evaluate(const EvaluateRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  EvaluateReport report = Evaluation(request, progress).run();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
