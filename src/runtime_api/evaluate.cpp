#include "merganser/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "api/report_file.h"
#include "base/error.h"
#include "base/file.h"
#include "evaluate/gains.h"
#include "evaluate/oracle.h"
#include "evaluate/scores.h"
#include "evaluate/subject.h"
#include "report/report_page.h"
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
    progress_.begin(rt::rows_of(subjects_) * models, ProgressUnit::rows);
    std::vector<Measured> all;
    if (!request_.base.empty()) all.push_back(measure(request_.base, "base", false));
    const bool ensemble = request_.ensemble && request_.inputs.size() > 1;
    for (const std::string& name : request_.inputs) {
      all.push_back(measure(name, "input", ensemble));
    }
    if (ensemble) all.push_back(ensemble_of(all));
    find_best_inputs(all);
    for (const std::string& name : request_.models) {
      all.push_back(measure(name, "model", false));
      if (oracle_) all.push_back(std::move(*oracle_));
      oracle_.reset();
    }
    report_.split = request_.split;
    if (request_.oracle &&
        std::ranges::none_of(all, [](const Measured& each) { return each.kind == "oracle"; })) {
      report_.notes.emplace_back("no model is a mixture of experts: there is no oracle");
    }
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
    Measured measured = merganser::measure(name, kind, model, subjects_,
                                           {request_.runtime.batch, probabilities}, progress_);
    if (request_.oracle && kind == "model" && model.routing() != nullptr) {
      oracle_ = with_own_experts(name, model);
    }
    return measured;
  }

  void find_best_inputs(const std::vector<Measured>& all) {
    for (std::size_t t = 0; t < subjects_.size(); ++t) {
      const Measured* best = nullptr;
      for (const Measured& each : all) {
        if (each.kind != "input") continue;
        if (best == nullptr ||
            rt::better(each.scores[t], best->scores[t], subjects_[t].task.metric)) {
          best = &each;
        }
      }
      best_inputs_.push_back(best == nullptr ? "" : best->name);
    }
  }

  // The mixture with each task's own expert in every layer.
  Measured with_own_experts(const std::string& name, const rt::Model& model) {
    Measured measured{name + ", oracle", "oracle", {}};
    progress_.stage("evaluating the experts of " + name);
    const rt::ScoreOptions options{request_.runtime.batch, false};
    for (std::size_t t = 0; t < subjects_.size(); ++t) {
      const rt::Subject& subject = subjects_[t];
      std::int64_t own = best_inputs_[t].empty() ? -1 : rt::expert_named(model, best_inputs_[t]);
      const char* how = "of the best input";
      if (own >= 0) {
        const rt::OneExpert one(model, own);
        measured.scores.push_back(
            rt::score(model, subject.head, subject.task, subject.examples, options, progress_));
      } else {
        rt::Tried tried = rt::try_experts(model, subject.head, subject.task, subject.examples,
                                          options, progress_);
        own = tried.best;
        how = "the best of those tried on these rows";
        measured.scores.push_back(std::move(tried.scores[static_cast<std::size_t>(own)]));
      }
      report_.notes.push_back(
          fmt::format("oracle of {} on {}: expert '{}', {}", name, subject.task.name,
                      model.routing()->experts[static_cast<std::size_t>(own)], how));
    }
    return measured;
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
  std::vector<std::string> best_inputs_;  // of each task; "" without inputs
  std::optional<Measured> oracle_;        // of the model that was measured last
};

}  // namespace

EvaluateReport runtime_evaluate(const EvaluateRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  check_report_file(request.report, request.force);
  EvaluateReport report = Evaluation(request, progress).run();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!request.report.empty()) {
    report.report = request.report;
    install_text(request.report, report_page(ReportPage::evaluation, report.json()), request.force);
  }
  return report;
}

}  // namespace merganser
