#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>

#include "api/carry_out.h"
#include "api/request.h"
#include "base/error.h"
#include "execute/engine.h"
#include "layout/output_folder.h"
#include "linalg/blas_info.h"
#include "merganser/merganser.h"

namespace merganser {
namespace {

NonFinite parse_non_finite(const std::string& name) {
  if (name == "error") return NonFinite::error;
  if (name == "warn") return NonFinite::warn;
  if (name == "ignore") return NonFinite::ignore;
  throw Error(ErrorKind::usage, "unknown policy '" + name + "' for NaN and Inf")
      .hint("error, warn or ignore");
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

MergeReport summary(const Plan& plan, const EngineReport& done) {
  MergeReport report;
  report.method = plan.method->name;
  report.tensors = plan.jobs.size();
  report.left_out = plan.left_out.size();
  report.files = plan.shards.files.size() + plan.mask_shards.files.size();
  report.bytes_read = done.bytes_read;
  report.bytes_written = done.bytes_written;
  for (const auto& [input, count] : done.input_non_finite) report.non_finite_inputs += count;
  for (const std::uint64_t count : done.output_non_finite) report.non_finite_outputs += count;
  report.warnings = plan.warnings;
  report.notes = plan.notes;
  if (report.non_finite_inputs > 0 || report.non_finite_outputs > 0) {
    report.warnings.push_back(std::to_string(report.non_finite_inputs) + " input and " +
                              std::to_string(report.non_finite_outputs) +
                              " output elements are NaN or Inf (by tensor in the provenance)");
  }
  return report;
}

bool uses_blas(const Plan& plan) {
  const std::vector<const Plan*> documents = plan.documents();
  return plan.method->blas || std::any_of(documents.begin(), documents.end(),
                                          [](const Plan* each) { return each->method->blas; });
}

void check_unchanged(const Plan& plan) {
  for (const PlanModel* model : plan.checkpoints()) {
    std::vector<std::shared_ptr<const FileSource>> all = model->also_read;
    all.push_back(model->file);
    for (const auto& file : all) {
      const auto changed = file->checkpoint().changed_file();
      if (!changed) continue;
      throw Error(ErrorKind::io, "it was changed while it was being read")
          .in_file(changed->string())
          .hint("merge again when nothing writes to it");
    }
  }
}

}  // namespace

PlanReport plan(const Request& request) { return describe(prepare(request), request); }

MergeReport carry_out(const Request& request, Progress& progress,
                      const std::function<bool(const std::string&)>& accept) {
  const auto begin = std::chrono::steady_clock::now();
  const EngineOptions options{parse_hash_kind(request.hash), parse_non_finite(request.non_finite)};
  const Prepared prepared = prepare(request);
  const Plan& plan = prepared.plan;
  const bool written = !request.output.empty();
  const std::filesystem::path target(request.output);
  std::optional<OutputFolder> output;
  std::optional<FolderSink> folder;
  NullSink nowhere;
  if (written) {
    check_target(plan, target, request.force);
    output.emplace(target, plan.single_file);
    folder.emplace(plan, output->path());
  }
  const bool blas = uses_blas(plan);
  if (blas) {
    set_blas_threads(request.blas_threads > 0 ? request.blas_threads : prepared.budget.threads);
  }
  progress.stage("merging");
  const EngineReport done = run_plan(plan, prepared.budget, options,
                                     written ? static_cast<Sink&>(*folder) : nowhere, progress);
  check_unchanged(plan);

  const auto sync_begin = std::chrono::steady_clock::now();
  if (written) {
    progress.stage("writing to disk");
    if (request.sync) folder->sync();
    folder.reset();
  }
  if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
  const double sync_seconds = seconds_since(sync_begin);

  ProvenanceFacts facts;
  facts.version = version();
  facts.hash = options.hash;
  facts.output_hashes = done.output_hashes;
  facts.input_hashes = done.input_hashes;
  facts.input_non_finite = done.input_non_finite;
  facts.output_non_finite = done.output_non_finite;
  facts.facts = done.facts;
  facts.mask_hashes = done.mask_hashes;
  facts.document_hashes = done.document_hashes;
  facts.non_finite = options.non_finite == NonFinite::error ? "" : request.non_finite;

  if (blas) {
    const BlasInfo info = blas_info();
    facts.blas_library = info.library;
    facts.blas_kernel = info.kernel;
    facts.blas_threads = info.threads;
  }

  MergeReport report = summary(plan, done);
  report.output = request.output;
  report.hash = request.hash;
  report.threads = prepared.budget.threads;
  report.sync_seconds = sync_seconds;
  if (written) {
    const std::string provenance = write_companions(plan, facts, output->path(), output->title());
    report.installed = accept(provenance);
    if (report.installed) output->install(request.force);
  } else {
    accept(describe_merge(plan, facts));
  }
  report.seconds = seconds_since(begin);
  return report;
}

MergeReport merge(const Request& request, Progress& progress) {
  if (request.output.empty()) throw Error(ErrorKind::usage, "no output is given");
  return carry_out(request, progress, [](const std::string&) { return true; });
}

}  // namespace merganser
