#include "runtime_api/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>

#include "api/report_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "evaluate/gains.h"
#include "recipe/format.h"
#include "recipe/relocate.h"
#include "runtime_api/open_model.h"

namespace merganser {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The candidate's own fault rather than the search's.
bool of_candidate(const Error& error) {
  return error.kind() == ErrorKind::mismatch || error.kind() == ErrorKind::corrupt ||
         error.kind() == ErrorKind::recipe;
}

}  // namespace

Choice::Choice(const ChoiceOptions& options, Progress& progress)
    : options_(options),
      progress_(progress),
      placement_(place_runtime(options.runtime)),
      subjects_(rt::read_subjects(options.tasks, options.validation, placement_)),
      candidate_(placement_, options.runtime.threads) {
  check_report_file(options.output, options.force);
  if (options.validation == options.test) {
    throw Error(ErrorKind::usage, "validation and test cannot be one split")
        .hint("what chooses a candidate cannot tell what it is worth");
  }
  report_.validation = options.validation;
  for (const rt::Subject& each : subjects_) {
    report_.tasks.push_back({each.task.name, rt::name_of(each.task.metric),
                             rt::smaller_is_better(each.task.metric),
                             static_cast<std::uint64_t>(each.examples.size())});
  }
}

void Choice::expect(std::size_t models) {
  progress_.begin(rt::rows_of(subjects_) * models, ProgressUnit::rows);
}

Measured Choice::measure(const Reference& reference, const std::string& kind,
                         const std::vector<rt::Subject>& subjects) {
  const std::string name = reference.ref.to_string();
  const OpenModel opened = open_model(reference.ref, reference.recipe_file, placement_);
  return merganser::measure(name, kind, *opened.model, subjects, {.batch = options_.runtime.batch},
                            progress_);
}

void Choice::refer_to(const std::optional<Reference>& base, const std::vector<Reference>& inputs) {
  const bool gains = base && !inputs.empty();
  report_.objective = options_.objective;
  if (report_.objective.empty()) report_.objective = gains ? "least_gain" : "mean_metric";
  if (report_.objective == "mean_metric") {
    for (const rt::Subject& each : subjects_) {
      if (rt::smaller_is_better(each.task.metric) ==
          rt::smaller_is_better(subjects_[0].task.metric)) {
        continue;
      }
      throw Error(ErrorKind::usage, "the mean of accuracies and losses says nothing")
          .hint("choose by gains: name the base and the inputs");
    }
  } else if (!gains) {
    throw Error(ErrorKind::usage, "gains need a base and inputs, which the recipe does not have")
        .hint("--base and --inputs, or --objective mean_metric");
  }
  base_ = base;
  inputs_ = inputs;
  if (base) measured_.push_back(measure(*base, "base", subjects_));
  for (const Reference& input : inputs) measured_.push_back(measure(input, "input", subjects_));
  for (std::size_t t = 0; t < subjects_.size() && gains; ++t) {
    std::size_t best = 1;
    for (std::size_t i = 2; i < measured_.size(); ++i) {
      if (rt::better(measured_[i].scores[t], measured_[best].scores[t], subjects_[t].task.metric)) {
        best = i;
      }
    }
    best_input_.push_back(best);
  }
  if (report_.objective != "mean_metric") check_gains();
  if (measured_.empty()) return;
  report_.references.split = options_.validation;
  fill_report(report_.references, subjects_, measured_);
}

void Choice::check_gains() const {
  for (std::size_t t = 0; t < subjects_.size(); ++t) {
    const rt::Task& task = subjects_[t].task;
    const Measured& best = measured_[best_input_[t]];
    if (rt::better(best.scores[t], measured_[0].scores[t], task.metric)) continue;
    throw Error(ErrorKind::mismatch,
                fmt::format("no input is better than the base on task '{}', so that its gains say "
                            "nothing",
                            task.name))
        .in_file(task.file.string())
        .hint("--objective mean_metric, or another task");
  }
}

double Choice::objective_of(const std::vector<rt::Scores>& scores,
                            TuneReport::Candidate& candidate) const {
  std::vector<double> values;
  for (std::size_t t = 0; t < subjects_.size(); ++t) {
    const rt::Metric metric = subjects_[t].task.metric;
    const double value = rt::estimate(scores[t], metric).value;
    candidate.metrics.push_back(value);
    values.push_back(rt::smaller_is_better(metric) ? -value : value);
    if (best_input_.empty()) continue;
    // Where base and input are equal, gains were not asked for.
    candidate.gains.push_back(rt::gain_value(scores[t], measured_[0].scores[t],
                                             measured_[best_input_[t]].scores[t], metric)
                                  .value_or(0));
  }
  if (report_.objective != "mean_metric") values = candidate.gains;
  if (report_.objective == "least_gain") return *std::min_element(values.begin(), values.end());
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::optional<double> Choice::try_merge(std::vector<std::string> values, const Request& merge) {
  TuneReport::Candidate candidate;
  candidate.values = std::move(values);
  try {
    progress_.stage(fmt::format("candidate {}", report_.candidates.size() + 1));
    const auto begin = Clock::now();
    const rt::Model& model = candidate_.merge(merge, progress_);
    report_.merge_seconds += seconds_since(begin);
    rt::check_fit(subjects_, model);
    const auto merged = Clock::now();
    candidate.objective = objective_of(
        rt::score(model, subjects_, {.batch = options_.runtime.batch}, progress_), candidate);
    report_.evaluate_seconds += seconds_since(merged);
  } catch (const Error& error) {
    if (!of_candidate(error)) throw;
    candidate.failure = error.what();
    if (!failure_) failure_ = error;
  }
  report_.candidates.push_back(std::move(candidate));
  return report_.candidates.back().objective;
}

double Choice::take_input(std::vector<std::string> values, std::size_t input) {
  TuneReport::Candidate candidate;
  candidate.values = std::move(values);
  const double objective = objective_of(measured_[input + (base_ ? 1 : 0)].scores, candidate);
  candidate.objective = objective;
  report_.candidates.push_back(std::move(candidate));
  return objective;
}

void Choice::accept(const std::vector<std::string>& values) {
  for (std::size_t i = report_.candidates.size(); i-- > 0;) {
    if (report_.candidates[i].values != values) continue;
    report_.candidates[i].accepted = true;
    report_.best = i;
    return;
  }
}

void Choice::require_best() const {
  if (report_.best) return;
  if (failure_) {
    throw Error(failure_->kind(),
                fmt::format("no candidate can be measured: {}", failure_->message()))
        .in_file(failure_->file())
        .in_tensor(failure_->tensor())
        .hint(failure_->advice());
  }
  throw Error(ErrorKind::interrupted, "interrupted");
}

void Choice::measure_test(const Recipe& recipe) {
  if (options_.test.empty()) return;
  for (const rt::Subject& subject : subjects_) {
    if (subject.task.splits.contains(options_.test)) continue;
    report_.notes.push_back(fmt::format("task '{}' has no split '{}': the choice is not tested",
                                        subject.task.name, options_.test));
    return;
  }
  const std::vector<rt::Subject> subjects =
      rt::read_subjects(options_.tasks, options_.test, placement_);
  std::vector<Measured> all;
  if (base_) all.push_back(measure(*base_, "base", subjects));
  for (const Reference& input : inputs_) all.push_back(measure(input, "input", subjects));
  Request merge;
  merge.recipe_text = to_yaml(recipe);
  merge.recipe_place = recipe.file;
  const rt::Model& model = candidate_.merge(merge, progress_);
  all.push_back(merganser::measure("the best candidate", "model", model, subjects,
                                   {.batch = options_.runtime.batch}, progress_));
  report_.test = options_.test;
  report_.tested.split = options_.test;
  fill_report(report_.tested, subjects, all);
}

std::string Choice::comment() const {
  const TuneReport::Candidate& best = report_.candidates[*report_.best];
  std::string text;
  const auto line = [&](const std::string& words) { text += "# " + printable(words) + "\n"; };
  const auto figures = [&](auto value_of) {
    std::string words;
    for (std::size_t t = 0; t < report_.tasks.size(); ++t) {
      words += fmt::format("{}{}, {}: {}", t > 0 ? "; " : "", report_.tasks[t].name,
                           report_.tasks[t].metric, value_of(t));
    }
    return words;
  };
  line(fmt::format("Chosen by merganser {}: {} on the split '{}', {} of {} candidates{}.",
                   MERGANSER_VERSION, report_.objective, report_.validation,
                   fmt::format("number {}", *report_.best + 1), report_.candidates.size(),
                   report_.interrupted ? " (the search was interrupted)" : ""));
  if (!options_.command.empty()) line("Command: " + options_.command);
  for (const rt::Subject& each : subjects_) line("Task: " + each.task.file.string());
  line(fmt::format(
      "{} {:.6g} ({})", report_.objective, best.objective.value_or(0), figures([&](std::size_t t) {
        return best.gains.empty()
                   ? fmt::format("{:.6g}", best.metrics[t])
                   : fmt::format("{:.6g}, gain {:.4g}", best.metrics[t], best.gains[t]);
      })));
  if (!report_.tested.rows.empty()) {
    const EvaluateReport::Row& row = report_.tested.rows.back();
    line(fmt::format(
        "On the split '{}', which had no part in the choice: {}", report_.test,
        figures([&](std::size_t t) { return fmt::format("{:.6g}", row.figures[t].value); })));
  }
  return text;
}

TuneReport Choice::finish(Recipe recipe, bool interrupted) {
  report_.interrupted = interrupted;
  if (!interrupted) {
    try {
      measure_test(recipe);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::interrupted) throw;
      report_.notes.emplace_back("interrupted before the choice was tested");
    }
  }
  std::filesystem::path folder = ".";
  if (!options_.output.empty()) {
    const std::filesystem::path output(options_.output);
    if (output.has_parent_path()) folder = output.parent_path();
    relocate(recipe, folder);
  }
  report_.recipe = comment() + to_yaml(recipe);
  if (!options_.output.empty()) {
    install_text(options_.output, report_.recipe, options_.force);
    report_.output = options_.output;
  }
  return std::move(report_);
}

}  // namespace merganser
