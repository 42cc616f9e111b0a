#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "api/carry_out.h"
#include "api/mixture.h"
#include "api/output_run.h"
#include "api/request.h"
#include "api/unchanged.h"
#include "base/error.h"
#include "execute/engine.h"
#include "linalg/blas_info.h"
#include "merganser/merganser.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

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

ProvenanceFacts facts_before(const Prepared& prepared, const Request& request,
                             const EngineOptions& options) {
  ProvenanceFacts facts;
  facts.version = version();
  facts.hash = options.hash;
  facts.non_finite = options.non_finite == NonFinite::error ? "" : request.non_finite;
  if (prepared.blas) {
    const BlasInfo info = blas_info();
    facts.blas_library = info.library;
    facts.blas_kernel = info.kernel;
    facts.blas_threads = info.threads;
  }
  return facts;
}

void add_outcome(ProvenanceFacts& facts, const EngineReport& done) {
  facts.output_hashes = done.output_hashes;
  facts.input_hashes = done.input_hashes;
  facts.input_non_finite = done.input_non_finite;
  facts.output_non_finite = done.output_non_finite;
  facts.facts = done.facts;
  facts.mask_hashes = done.mask_hashes;
  facts.document_hashes = done.document_hashes;
}

// Tensors that are written and layers that are decomposed.
struct Work {
  std::size_t tensors = 0, layers = 0;

  bool empty() const { return tensors == 0 && layers == 0; }
};

// "the experts of 5 of 14 layers"; "the experts of 14 of 14 layers and 3 of 90 tensors".
std::string text_of(const Work& work, const Prepared& prepared) {
  const std::string tensors =
      fmt::format("{} of {} tensors", work.tensors, prepared.plan.jobs.size());
  if (work.layers == 0) return tensors;
  const std::string layers = fmt::format("the experts of {} of {} layers", work.layers,
                                         prepared.mixture->modules.modules.size());
  return work.tensors == 0 ? layers : layers + " and " + tensors;
}

Error unfinished(const Error& error, const std::string& kept) {
  Error told(error.kind(), fmt::format("{}; {} are kept", error.message(), kept));
  told.in_file(error.file()).in_tensor(error.tensor()).at(error.line(), error.column());
  return told.hint("the same command with --resume goes on from there");
}

std::string resume_note(const Work& done, const Prepared& prepared) {
  if (done.empty()) return "there was no unfinished run to go on with: merged from the start";
  return text_of(done, prepared) + " are from the unfinished run";
}

// With a name where a run is to be gone on with, or goes on with another one.
std::unique_ptr<ExpertStore> open_store(const Prepared& prepared, const OutputRun* output,
                                        const ProvenanceFacts& facts) {
  const auto kept = output != nullptr ? output->kept_factors(facts) : std::nullopt;
  if (kept) {
    return std::make_unique<ExpertStore>(*kept, prepared.mixture->plan, prepared.mixture->modules);
  }
  return std::make_unique<ExpertStore>(output != nullptr ? output->folder()
                                                         : fs::temp_directory_path());
}

}  // namespace

PlanReport plan(const Request& request) { return describe(prepare(request), request); }

MergeReport carry_out(const Request& request, Progress& progress,
                      const std::function<bool(const std::string&)>& accept) {
  const auto begin = std::chrono::steady_clock::now();
  EngineOptions options{parse_hash_kind(request.hash), parse_non_finite(request.non_finite), {}};
  Prepared prepared = prepare(request);
  const Plan& plan = prepared.plan;
  ProvenanceFacts facts = facts_before(prepared, request, options);
  std::optional<OutputRun> output;
  NullSink nowhere;
  if (!request.output.empty()) {
    output.emplace(plan, request, bytes_aside(prepared));
  }
  double sync_seconds = 0;
  EngineReport done;
  std::unique_ptr<ExpertStore> store;
  std::optional<Experts> experts;
  std::string provenance;
  try {
    if (prepared.mixture) {
      // Where the plan is known already, a journal of other tensors is refused before the work.
      if (output && !prepared.mixture->modules.ranks_follow()) output->check_unfinished(facts);
      store = open_store(prepared, output ? &*output : nullptr, facts);
      experts = make_experts(prepared, *store, options.hash, progress);
    }
    if (output) {
      output->begin(facts);
      options.done = output->done();
    }
    progress.stage("merging");
    done = run_plan(plan, prepared.budget, options, output ? output->sink() : nowhere, progress);
    check_unchanged(plan, "merge");
    const auto sync_begin = std::chrono::steady_clock::now();
    if (output) {
      progress.stage("writing to disk");
      output->close();
    }
    if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    sync_seconds = seconds_since(sync_begin);
    if (experts) add_experts(done, prepared, *experts);
    add_outcome(facts, done);
    if (output) provenance = output->write_companions(facts);
  } catch (const Error& error) {
    // Where an input has changed, what was made of it is worth nothing.
    check_unchanged(plan, "merge");
    if (output && output->refused()) throw;  // what is kept does not help the same command
    Work kept{0, store ? store->kept() : 0};
    if (output) kept.tensors = output->keep_unfinished(kept.layers > 0);
    if (kept.empty()) throw;
    throw unfinished(error, text_of(kept, prepared));
  } catch (...) {
    // Memory or threads ran short: what is whole is so all the same.
    if (output && !output->refused()) output->keep_unfinished(store && store->kept() > 0);
    throw;
  }

  MergeReport report = summary(plan, done);
  if (experts) add_expert_notes(report.notes, prepared, *experts);
  report.output = request.output;
  report.hash = request.hash;
  report.threads = prepared.budget.threads;
  report.sync_seconds = sync_seconds;
  report.resumed_tensors = options.done.size();
  report.resumed_layers = store ? store->taken().size() : 0;
  if (request.resume) {
    report.notes.push_back(resume_note({report.resumed_tensors, report.resumed_layers}, prepared));
  }
  if (output) {
    report.installed = accept(provenance);
    if (report.installed) output->install();
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
