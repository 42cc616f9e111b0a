#include "search/candidate.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/mixture.h"
#include "base/error.h"
#include "execute/engine.h"
#include "linalg/blas_info.h"
#include "plan/same_jobs.h"
#include "runtime/config.h"
#include "runtime/memory.h"
#include "runtime/weights.h"
#include "search/live_sink.h"
#include "smile/expert_store.h"

namespace merganser::rt {
namespace {

// The plan's outputs by name and shape, all zeros: enough to build a model that is merged into.
class EmptySource final : public Source {
 public:
  EmptySource(const Plan& plan, std::string label)
      : label_(std::move(label)), headers_(plan.outputs()) {}
  std::string label() const override { return label_; }
  const std::vector<TensorInfo>& headers() const override { return headers_; }
  void read(std::size_t, std::uint64_t, std::span<std::byte> out) const override {
    std::memset(out.data(), 0, out.size());
  }

 private:
  std::string label_;
  std::vector<TensorInfo> headers_;
};

std::string label_of(const Request& request) {
  const std::string& place =
      request.recipe_file.empty() ? request.recipe_place : request.recipe_file;
  return place.empty() ? "the merge" : place;
}

// Bytes of merges are not what the caller counts; but it may stop them.
class PartProgress final : public Progress {
 public:
  explicit PartProgress(Progress& whole) : whole_(whole) { take_over(); }
  void advance(std::uint64_t) override { take_over(); }

 private:
  void take_over() {
    if (whole_.stopped()) stop();
  }
  Progress& whole_;
};

bool same_model(const Plan& a, const Plan& b) {
  if (a.config == nullptr || b.config == nullptr || *a.config != *b.config) return false;
  return std::equal(a.jobs.begin(), a.jobs.end(), b.jobs.begin(), b.jobs.end(),
                    [](const PlanJob& x, const PlanJob& y) {
                      return x.output.name == y.output.name && x.output.shape == y.output.shape;
                    });
}

Config config_of(const Plan& plan) {
  if (plan.config == nullptr) {
    throw Error(ErrorKind::unsupported, "without a config.json a merge cannot be run")
        .in_file(plan.origin().path.string())
        .hint("give the folder that holds it");
  }
  return {*plan.config, (plan.origin().path / "config.json").string()};
}

}  // namespace

void Candidate::build(const Prepared& prepared, const std::string& label) {
  model_.reset();  // before the next one takes memory
  const EmptySource source(prepared.plan, label);
  const Config config = config_of(prepared.plan);
  need_memory(source, placement_);
  Weights weights(source, placement_);
  model_ = build_model(config, weights);
}

// Decomposed into a scratch file without a name, then read into a model of its own.
void Candidate::merge_mixture(Prepared& prepared, const std::string& label, Progress& progress) {
  model_.reset();
  const Config config = config_of(prepared.plan);
  // The merge as it would be stored, and the model made of it.
  const std::vector<TensorInfo> outputs = prepared.plan.outputs();
  need_memory(prepared.plan.bytes_written + bytes_of(outputs, placement_.dtype), placement_.device,
              label, "the mixture takes", "");
  ExpertStore store(std::filesystem::temp_directory_path());
  make_experts(prepared, store, HashKind::none, progress);
  MemorySink sink(prepared.plan);
  run_plan(prepared.plan, prepared.budget, {.hash = HashKind::none}, sink, progress);
  const MemorySource source = sink.take(label);
  Weights weights(source, placement_);
  model_ = build_model(config, weights);
  work_ = {prepared.plan.jobs.size(), 0, 0};
}

const Model& Candidate::merge(const Request& wanted, Progress& progress) {
  Request request = wanted;
  request.threads = threads_;
  Prepared prepared = prepare(request);
  PartProgress part(progress);
  // The last bits of a product depend on it, and a merge sets it so.
  set_blas_threads(prepared.budget.threads);
  const bool same = whole_ && prepared_ && !prepared.mixture && !prepared_->mixture &&
                    same_model(prepared_->plan, prepared.plan);
  whole_ = false;
  if (prepared.mixture) {
    merge_mixture(prepared, label_of(wanted), part);
  } else {
    const std::size_t jobs = prepared.plan.jobs.size();
    std::vector<bool> kept(jobs);
    if (same) {
      kept = same_jobs(prepared_->plan, prepared.plan);
    } else {
      build(prepared, label_of(wanted));
    }
    LiveSink sink(prepared.plan, *model_);
    EngineOptions options{.hash = HashKind::none};
    work_ = {};
    for (std::size_t j = 0; j < jobs; ++j) {
      const bool unused = !sink.wanted(j);
      ++(unused ? work_.unused : kept[j] ? work_.kept : work_.merged);
      if (unused || kept[j]) options.done.push_back({.job = j});
    }
    run_plan(prepared.plan, prepared.budget, options, sink, part);
    if (part.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
  }
  prepared_ = std::move(prepared);
  whole_ = true;
  return *model_;
}

}  // namespace merganser::rt
