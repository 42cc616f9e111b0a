#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "merganser/train.h"
#include "runtime_api/functions.h"
#include "runtime_api/open_model.h"
#include "train/head_fit.h"
#include "train/stored_tensors.h"

namespace merganser {
namespace {

// The first so many rows; 0: all.
void keep_first(rt::Examples& examples, std::uint64_t rows) {
  const auto count = std::min(examples.size(), static_cast<std::int64_t>(rows));
  if (rows == 0) return;
  for (at::Tensor* each : {&examples.ids, &examples.lengths, &examples.values, &examples.labels}) {
    if (each->defined()) *each = each->narrow(0, 0, count);
  }
}

std::filesystem::path output_of(const FitHeadRequest& request, const rt::Task& task) {
  const std::filesystem::path output =
      request.output.empty() ? task.head : std::filesystem::path(request.output);
  if (output.empty()) {
    throw Error(ErrorKind::usage, "no output is given, and the task names no head").hint("--out F");
  }
  std::error_code code;
  if (!request.force && std::filesystem::exists(output, code)) {
    throw Error(ErrorKind::usage, "it exists already")
        .in_file(output.string())
        .hint("--force replaces it");
  }
  return output;
}

void check(const FitHeadRequest& request) {
  if (request.task.empty()) throw Error(ErrorKind::usage, "no task is given").hint("--task FILE");
  if (request.penalties.empty()) throw Error(ErrorKind::usage, "no penalty is given");
  for (const double penalty : request.penalties) {
    if (!std::isfinite(penalty) || penalty < 0) {
      throw Error(ErrorKind::usage, fmt::format("a penalty of {:g} is out of range", penalty))
          .hint("0 or more");
    }
  }
}

}  // namespace

FitHeadReport runtime_fit_head(const FitHeadRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  check(request);
  const rt::Placement placement = place_runtime(request.runtime);
  const rt::Task task = rt::read_task(request.task);
  if (task.kind != rt::TaskKind::classification) {
    throw Error(ErrorKind::usage, "language modelling uses the model's own head")
        .in_file(request.task);
  }
  const std::filesystem::path output = output_of(request, task);
  rt::Examples rows = rt::load_examples(task, "train");
  keep_first(rows, request.rows);
  const rt::Examples validation = rt::load_examples(task, "validation");
  const OpenModel opened = open_model(request.base, placement);
  rt::check_fit(rows, task, *opened.model);
  rt::check_fit(validation, task, *opened.model);
  const std::int64_t classes = 1 + rows.labels.max().item<std::int64_t>();
  const auto most = validation.labels.max().item<std::int64_t>();
  if (most >= classes) {
    throw Error(ErrorKind::mismatch,
                fmt::format("a label is {}, those of the train split are below {}", most, classes))
        .in_file(validation.place);
  }
  progress.begin(static_cast<std::uint64_t>(rows.size() + validation.size()), ProgressUnit::rows);
  progress.stage("reading features");
  const rt::TaskHead pooled(task, {}, {});
  const std::int64_t batch = request.runtime.batch;
  const at::Tensor x = rt::features_of(*opened.model, pooled, rows, batch, progress);
  const at::Tensor there = rt::features_of(*opened.model, pooled, validation, batch, progress);
  const rt::HeadFit fit =
      rt::fit_head(x, rows.labels, there, validation.labels, classes, request.penalties, progress);
  install_text(output, rt::tensor_file({{"weight", fit.weight}, {"bias", fit.bias}}),
               request.force);

  FitHeadReport report;
  report.output = output.string();
  report.task = task.name;
  report.rows = static_cast<std::uint64_t>(rows.size());
  report.validation_rows = static_cast<std::uint64_t>(validation.size());
  report.classes = static_cast<std::uint64_t>(classes);
  report.width = static_cast<std::uint64_t>(x.size(1));
  for (const rt::HeadTrial& trial : fit.trials) {
    report.fits.push_back({trial.penalty, trial.loss, trial.validation_loss,
                           trial.validation_accuracy, trial.iterations, trial.converged});
    if (!trial.converged) {
      report.notes.push_back(
          fmt::format("with a penalty of {:g} the fit stopped after {} iterations before it "
                      "converged",
                      trial.penalty, trial.iterations));
    }
  }
  report.penalty = fit.penalty;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
