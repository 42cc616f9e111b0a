#include "analyze/losses.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>

#include "analyze/change_reader.h"
#include "analyze/expert_loss.h"
#include "execute/engine.h"
#include "kernels/blend.h"
#include "kernels/convert.h"
#include "kernels/reduce.h"

namespace merganser {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 17;  // elements
constexpr std::size_t kBlock = 4096;                  // elements a sum is taken over

using Lost = std::vector<std::optional<double>>;

class LossSink final : public Sink {
 public:
  LossSink(const AnalysisInputs& inputs, const Plan& plan, std::vector<TensorFigures>& figures)
      : inputs_(inputs), plan_(plan), figures_(figures), jobs_(plan.jobs.size()) {
    std::map<std::string, std::size_t> tensors;
    for (std::size_t t = 0; t < inputs.tensors.size(); ++t) tensors[inputs.tensors[t].name] = t;
    for (std::size_t j = 0; j < plan.jobs.size(); ++j) {
      const auto found = tensors.find(plan.jobs[j].output.name);
      if (found != tensors.end() && comparable(plan.jobs[j], inputs.tensors[found->second])) {
        jobs_[j].tensor = found->second;
      }
    }
  }

  void write(std::size_t number, std::uint64_t begin, std::span<const std::byte> bytes) override {
    Job& job = jobs_[number];
    if (!job.tensor) return;
    const AnalysedTensor& tensor = inputs_.tensors[*job.tensor];
    const DType dtype = plan_.jobs[number].output.dtype;
    const std::uint64_t first = begin / size_of(dtype);
    std::vector<double> merged(bytes.size() / size_of(dtype)), base(merged.size()),
        change(merged.size()), sums;
    widen(dtype, bytes.data(), merged.data(), merged.size());
    ValueReader(inputs_.plan, tensor.base).read(first, base);
    subtract<double>(merged.data(), base.data(), merged.data(), merged.size());
    for (std::size_t i = 0; i < inputs_.models(); ++i) {
      ChangeReader(inputs_, tensor, i).read(first, base, change);
      subtract<double>(change.data(), merged.data(), change.data(), change.size());
      double sum = 0;
      for (std::size_t at = 0; at < change.size(); at += kBlock) {
        const std::size_t count = std::min(kBlock, change.size() - at);
        sum += dot<double>(&change[at], &change[at], count);
      }
      sums.push_back(sum);
    }
    std::lock_guard lock(mutex_);
    job.sums[begin] = std::move(sums);
  }

  void finish(const JobRecord& record) override {
    std::lock_guard lock(mutex_);
    Job& job = jobs_[record.job];
    if (!job.tensor) return;
    Lost& lost = figures_[*job.tensor].lost.back();
    for (auto& one : lost) one = 0;
    for (const auto& [begin, sums] : job.sums) {
      for (std::size_t i = 0; i < lost.size(); ++i) *lost[i] += sums[i];
    }
    job.sums.clear();
  }

 private:
  struct Job {
    std::optional<std::size_t> tensor;
    std::map<std::uint64_t, std::vector<double>> sums;  // by the byte that a chunk begins at
  };

  // Not where a recipe stacks layers: an output is then made of other tensors than its namesake.
  bool comparable(const PlanJob& job, const AnalysedTensor& tensor) const {
    if (job.output.shape != tensor.shape || !is_float(job.output.dtype)) return false;
    return std::ranges::all_of(job.inputs, [&](const PlanInput& input) {
      return plan_.models[input.model].names[input.tensor] == job.output.name;
    });
  }

  const AnalysisInputs& inputs_;
  const Plan& plan_;
  std::vector<TensorFigures>& figures_;
  std::vector<Job> jobs_;
  std::mutex mutex_;
};

void add_experts_losses(const AnalysisInputs& inputs, const AnalysedMethod& method,
                        std::vector<TensorFigures>& figures) {
  std::set<std::string> made;
  if (method.plan) {
    for (const PlanJob& job : method.plan->jobs) made.insert(job.output.name);
  }
  for (std::size_t t = 0; t < inputs.tensors.size(); ++t) {
    const AnalysedTensor& tensor = inputs.tensors[t];
    if (made.contains(tensor.name)) continue;
    const auto own = method.carried->find(tensor.name);
    const Carried carried = own == method.carried->end() ? Carried{} : own->second;
    for (std::size_t i = 0; i < inputs.models(); ++i) {
      figures[t].lost.back()[i] = lost_by_expert(tensor, figures[t].changes[i], carried);
    }
  }
}

}  // namespace

void add_losses(const AnalysisInputs& inputs, const AnalysedMethod& method,
                std::vector<TensorFigures>& figures, unsigned threads, Progress& progress) {
  for (TensorFigures& tensor : figures) tensor.lost.emplace_back(inputs.models());
  if (method.plan) {
    LossSink sink(inputs, *method.plan, figures);
    Budget budget = plan_budget(*method.plan, 0, threads);
    budget.chunk_elements = kChunk;
    run_plan(*method.plan, budget, {HashKind::none, NonFinite::ignore, {}}, sink, progress);
  }
  if (method.carried) add_experts_losses(inputs, method, figures);
}

}  // namespace merganser
