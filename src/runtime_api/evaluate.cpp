#include "merganser/evaluate.h"

#include <chrono>
#include <map>
#include <optional>

#include "base/error.h"
#include "evaluate/examples.h"
#include "evaluate/gains.h"
#include "evaluate/scores.h"
#include "evaluate/task.h"
#include "evaluate/task_head.h"
#include "runtime_api/functions.h"
#include "runtime_api/open_model.h"

namespace merganser {
namespace {

using rt::Scores;

// A task with its data and head, read once for all models.
struct Subject {
  rt::Task task;
  rt::Examples examples;
  rt::TaskHead head;
};

struct Measured {
  EvaluateReport::Row row;
  std::vector<Scores> scores;  // of each task
};

std::vector<Subject> read_subjects(const EvaluateRequest& request, const rt::Placement& placement) {
  std::vector<Subject> subjects;
  for (const std::string& file : request.tasks) {
    rt::Task task = rt::read_task(file);
    for (const Subject& other : subjects) {
      if (other.task.name == task.name) {
        throw Error(ErrorKind::usage, "two tasks are named '" + task.name + "'").in_file(file);
      }
    }
    rt::Examples examples = rt::load_examples(task, request.split);
    rt::TaskHead head(task, placement);
    subjects.push_back({std::move(task), std::move(examples), std::move(head)});
  }
  return subjects;
}

Measured measure(const std::string& name, const std::string& kind,
                 const std::vector<Subject>& subjects, const rt::Placement& placement,
                 const rt::ScoreOptions& options, Progress& progress) {
  const OpenModel opened = open_model(name, placement);
  Measured measured;
  measured.row = {name, kind, {}};
  for (const Subject& subject : subjects) {
    rt::check_fit(subject.examples, subject.task, *opened.model);
    subject.head.check_fit(*opened.model, subject.task);
  }
  progress.stage("evaluating " + name);
  for (const Subject& subject : subjects) {
    measured.scores.push_back(
        rt::score(*opened.model, subject.head, subject.task, subject.examples, options, progress));
  }
  return measured;
}

Measured ensemble_of(const std::vector<Measured>& inputs, const std::vector<Subject>& subjects) {
  Measured measured;
  measured.row = {"ensemble of the inputs", "ensemble", {}};
  for (std::size_t t = 0; t < subjects.size(); ++t) {
    std::vector<Scores> members;
    for (const Measured& input : inputs) members.push_back(input.scores[t]);
    measured.scores.push_back(rt::ensemble(members, subjects[t].examples));
  }
  return measured;
}

}  // namespace

EvaluateReport runtime_evaluate(const EvaluateRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  if (request.tasks.empty()) throw Error(ErrorKind::usage, "no task is given").hint("--task FILE");
  const rt::Placement placement = place_runtime(request.runtime);
  const std::vector<Subject> subjects = read_subjects(request, placement);
  const std::size_t models =
      request.models.size() + request.inputs.size() + (request.base.empty() ? 0 : 1);
  if (models == 0) throw Error(ErrorKind::usage, "no model is given");
  std::uint64_t rows = 0;
  for (const Subject& each : subjects) rows += static_cast<std::uint64_t>(each.examples.size());
  progress.begin(rows * models);

  rt::ScoreOptions options{.batch = request.runtime.batch};
  std::vector<Measured> base, inputs, others;
  if (!request.base.empty()) {
    base.push_back(measure(request.base, "base", subjects, placement, options, progress));
  }
  const bool ensemble = request.ensemble && request.inputs.size() > 1;
  options.probabilities = ensemble;
  for (const std::string& name : request.inputs) {
    inputs.push_back(measure(name, "input", subjects, placement, options, progress));
  }
  options.probabilities = false;
  for (const std::string& name : request.models) {
    others.push_back(measure(name, "model", subjects, placement, options, progress));
  }
  if (ensemble) others.insert(others.begin(), ensemble_of(inputs, subjects));

  EvaluateReport report;
  report.split = request.split;
  std::vector<Measured> all = std::move(base);
  const std::size_t first_input = all.size();
  for (Measured& each : inputs) all.push_back(std::move(each));
  const std::size_t past_inputs = all.size();
  for (Measured& each : others) all.push_back(std::move(each));
  for (std::size_t t = 0; t < subjects.size(); ++t) {
    const rt::Metric metric = subjects[t].task.metric;
    std::optional<std::size_t> best;
    for (std::size_t i = first_input; i < past_inputs; ++i) {
      if (!best || rt::better(all[i].scores[t], all[*best].scores[t], metric)) best = i;
    }
    report.tasks.push_back({subjects[t].task.name, rt::name_of(metric),
                            best ? all[*best].row.name : "", rt::smaller_is_better(metric),
                            static_cast<std::uint64_t>(subjects[t].examples.size())});
    for (Measured& each : all) {
      const rt::Estimate found = rt::estimate(each.scores[t], metric);
      EvaluateReport::Figure figure{found.value, found.low, found.high, {}, {}, {}};
      if (first_input == 1 && best) {
        if (const auto gain =
                rt::gain(each.scores[t], all[0].scores[t], all[*best].scores[t], metric)) {
          figure.gain = gain->value;
          figure.gain_low = gain->low;
          figure.gain_high = gain->high;
        }
      }
      each.row.figures.push_back(figure);
    }
  }
  for (Measured& each : all) report.rows.push_back(std::move(each.row));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
