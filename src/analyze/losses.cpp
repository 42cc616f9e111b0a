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
#include "plan/models.h"
#include "smile/changes.h"

namespace merganser {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 17;  // elements
constexpr std::size_t kPiece = std::size_t{1} << 15;  // elements widened at once
constexpr std::size_t kBlock = 4096;                  // elements a sum is taken over

using Inputs = std::span<const std::span<const std::byte>>;

// Whether an output is made of its namesakes alone: not where a recipe, or a document of it,
// stacks layers.
bool of_namesakes(const Plan& plan, const PlanJob& job) {
  const auto namesake = [&](const PlanInput& input) {
    const PlanModel& model = plan.models[input.model];
    if (model.names[input.tensor] != job.output.name) return false;
    // A document's outputs are its jobs, in this order.
    return !model.document || of_namesakes(*model.document, model.document->jobs[input.tensor]);
  };
  return std::ranges::all_of(job.inputs, namesake) && (!job.base || namesake(*job.base));
}

class LossSink final : public Sink {
 public:
  LossSink(const AnalysisInputs& inputs, const Plan& plan, std::vector<TensorFigures>& figures)
      : inputs_(inputs), plan_(plan), figures_(figures), jobs_(plan.jobs.size()) {
    std::map<std::string, std::size_t> tensors;
    for (std::size_t t = 0; t < inputs.tensors.size(); ++t) tensors[inputs.tensors[t].name] = t;
    for (std::size_t j = 0; j < plan.jobs.size(); ++j) {
      const PlanJob& job = plan.jobs[j];
      const auto found = tensors.find(job.output.name);
      if (found == tensors.end()) continue;
      const AnalysedTensor& tensor = inputs.tensors[found->second];
      if (job.output.shape != tensor.shape || !is_float(job.output.dtype)) continue;
      if (!of_namesakes(plan, job)) continue;
      jobs_[j].tensor = found->second;
      jobs_[j].base = at_hand(job, tensor.base);
      for (const PlanInput& input : tensor.models) jobs_[j].models.push_back(at_hand(job, input));
    }
  }

  void write(std::size_t number, std::uint64_t begin, std::span<const std::byte> bytes) override {
    write_from(number, begin, bytes, {});
  }

  void write_from(std::size_t number, std::uint64_t begin, std::span<const std::byte> bytes,
                  Inputs at_hand) override {
    Job& job = jobs_[number];
    if (!job.tensor) return;
    std::call_once(job.opened, [&] { open(job); });
    const std::uint64_t width = size_of(plan_.jobs[number].output.dtype);
    std::vector<double> sums(inputs_.models());
    for (std::uint64_t done = 0; done < bytes.size() / width; done += kPiece) {
      add_piece(number, begin / width, done, bytes, at_hand, sums);
    }
    std::lock_guard lock(mutex_);
    job.sums[begin] = std::move(sums);
  }

  void finish(const JobRecord& record) override {
    std::lock_guard lock(mutex_);
    Job& job = jobs_[record.job];
    if (!job.tensor) return;
    auto& lost = figures_[*job.tensor].lost.back();
    for (auto& one : lost) one = 0;
    for (const auto& [begin, sums] : job.sums) {
      for (std::size_t i = 0; i < lost.size(); ++i) *lost[i] += sums[i];
    }
    job.sums.clear();
    job.products.clear();
  }

 private:
  struct Job {
    std::optional<std::size_t> tensor;
    // Where among what the engine has at hand the base's and the fine-tunes' bytes are.
    std::optional<std::size_t> base;
    std::vector<std::optional<std::size_t>> models;
    std::once_flag opened;
    std::vector<std::optional<LoraSource::Product>> products;  // of each fine-tune; while written
    std::map<std::uint64_t, std::vector<double>> sums;         // by the byte that a chunk begins at
  };

  // A worker's buffers.
  struct Pieces {
    std::vector<double> merged, base, change;
    std::vector<std::byte> stored;

    void resize(std::size_t count) {
      merged.resize(count);
      base.resize(count);
      change.resize(count);
    }
  };

  void open(Job& job) const {
    const AnalysedTensor& tensor = inputs_.tensors[*job.tensor];
    for (const PlanInput& input : tensor.models) {
      job.products.push_back(product_of(inputs_.plan, input, tensor.base));
    }
  }

  // The place of an input of the analysis among the job's, whose plan numbers its own models.
  std::optional<std::size_t> at_hand(const PlanJob& job, const PlanInput& wanted) const {
    const PlanModel& model = inputs_.plan.models[wanted.model];
    const auto same = [&](const PlanInput& input) {
      const PlanModel& other = plan_.models[input.model];
      return !other.document && reads_the_same(other, model) &&
             other.headers()[input.tensor].name == model.headers()[wanted.tensor].name;
    };
    const auto found = std::ranges::find_if(job.inputs, same);
    if (found != job.inputs.end()) return static_cast<std::size_t>(found - job.inputs.begin());
    const bool base = job.base && job.action == PlanJob::Action::merge && same(*job.base);
    return base ? std::optional(job.inputs.size()) : std::nullopt;
  }

  // Elements of an input from `first`; of the bytes at hand they begin at `offset`.
  void read(const PlanInput& input, std::optional<std::size_t> place, Inputs at_hand,
            std::uint64_t first, std::uint64_t offset, std::span<double> out,
            std::vector<std::byte>& stored) const {
    if (!place || *place >= at_hand.size()) {
      return read_values(inputs_.plan, input, first, out, stored);
    }
    const DType dtype = inputs_.plan.dtype(input);
    widen(dtype, at_hand[*place].data() + offset * size_of(dtype), out.data(), out.size());
  }

  // Elements [offset, offset + kPiece) of a chunk that begins at element `chunk`.
  void add_piece(std::size_t number, std::uint64_t chunk, std::uint64_t offset,
                 std::span<const std::byte> bytes, Inputs at_hand,
                 std::vector<double>& sums) const {
    thread_local Pieces pieces;
    const Job& job = jobs_[number];
    const AnalysedTensor& tensor = inputs_.tensors[*job.tensor];
    const DType dtype = plan_.jobs[number].output.dtype;
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>(kPiece, bytes.size() / size_of(dtype) - offset));
    pieces.resize(count);
    auto& [merged, base, change, stored] = pieces;
    const std::uint64_t first = chunk + offset;
    widen(dtype, bytes.data() + offset * size_of(dtype), merged.data(), count);
    read(tensor.base, job.base, at_hand, first, offset, base, stored);
    subtract<double>(merged.data(), base.data(), merged.data(), count);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      if (job.products[i]) {
        fill_product(*job.products[i], first, change);
      } else {
        read(tensor.models[i], job.models[i], at_hand, first, offset, change, stored);
        subtract<double>(change.data(), base.data(), change.data(), count);
      }
      subtract<double>(change.data(), merged.data(), change.data(), count);
      for (std::size_t at = 0; at < count; at += kBlock) {
        sums[i] += dot<double>(&change[at], &change[at], std::min(kBlock, count - at));
      }
    }
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
