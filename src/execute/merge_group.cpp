#include <algorithm>
#include <array>
#include <cassert>

#include "execute/group.h"
#include "execute/streams.h"
#include "kernels/blend.h"
#include "kernels/convert.h"
#include "kernels/reduce.h"

namespace merganser {
namespace {

// The sample of a group: runs of neighbouring elements, spread evenly. Enough that a quantile's
// standard error is well below 1 %.
constexpr std::size_t kRun = 256;                           // elements
constexpr std::size_t kRunsOfTensor = 64;                   // a group of one tensor
constexpr std::size_t kRunsOfModel = std::size_t{1} << 12;  // shared out among a model's tensors

std::size_t chunk_count(std::uint64_t size, std::size_t chunk) {
  // An empty tensor still passes through as one empty chunk.
  return std::max<std::size_t>(1, static_cast<std::size_t>((size + chunk - 1) / chunk));
}

template <class T>
class MergingGroup final : public Group {
 public:
  MergingGroup(const RunContext& context, std::vector<std::size_t> jobs)
      : Group(context, std::move(jobs)) {
    MergeGroup group;
    group.seed = context.plan.recipe.seed;
    for (const std::size_t job : jobs_) {
      const PlanJob& planned = context.plan.jobs[job];
      MergeTensor tensor{planned.output.name, planned.output.shape, planned.output.size(),
                         planned.settings, planned.numbers};
      total_ += tensor.size;
      group.tensors.push_back(std::move(tensor));
      streams_.emplace_back(context, job);
    }
    const Descriptor& method = *context.plan.method;
    deltas_ = method.space == InputSpace::deltas;
    if constexpr (std::is_same_v<T, float>) {
      merger_ = method.make_f32(std::move(group));
    } else {
      merger_ = method.make_f64(std::move(group));
    }
    partials_.resize(jobs_.size());
    begin_phase();
  }

  std::size_t chunks(std::size_t tensor) const override {
    if (pass_ == Pass::sample) return 1;
    return chunk_count(streams_[tensor].size(), context_.budget.chunk_elements);
  }

  void run_chunk(std::size_t tensor, std::size_t chunk, Workspace& workspace) override {
    if (pass_ == Pass::sample) return sample(tensor, workspace);
    const std::uint64_t first = chunk * context_.budget.chunk_elements;
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>(context_.budget.chunk_elements, streams_[tensor].size() - first));
    Chunk stored{tensor, chunk, first, read(tensor, first, count, workspace)};
    if (pass_ == Pass::full) {
      Partial& partial = *(partials_[tensor][chunk] = merger_->partial(tensor));
      for (std::size_t begin = 0; begin < count; begin += kBlock) {
        merger_->reduce(block(stored, begin, std::min(kBlock, count - begin), workspace), partial);
      }
    } else {
      write(stored, count, workspace);
    }
  }

  void finish_tensor(std::size_t tensor) override {
    if (pass_) {
      merger_->fold(tensor, partials_[tensor]);
      partials_[tensor].clear();
    } else {
      streams_[tensor].finish();
    }
  }

  bool next_phase() override {
    if (!pass_) return false;
    merger_->end_pass();
    begin_phase();
    return true;
  }

 private:
  using Pass = typename Merger<T>::Pass;
  using Stored = std::vector<std::span<const std::byte>>;

  struct Chunk {
    std::size_t tensor, index;
    std::uint64_t first;
    Stored stored;
  };

  void begin_phase() {
    pass_ = merger_->next_pass();
    if (!pass_) return;
    for (std::size_t t = 0; t < jobs_.size(); ++t) partials_[t].resize(chunks(t));
  }

  Stored read(std::size_t tensor, std::uint64_t first, std::size_t count, Workspace& workspace) {
    JobStreams& streams = streams_[tensor];
    Stored stored;
    for (std::size_t i = 0; i < streams.inputs(); ++i) {
      stored.push_back(streams.read(i, first, count, workspace));
    }
    return stored;
  }

  // The block that begins `begin` elements into the chunk, widened; deltas where the method asks.
  Block<T> block(const Chunk& chunk, std::size_t begin, std::size_t size, Workspace& workspace) {
    const JobStreams& streams = streams_[chunk.tensor];
    const PlanJob& job = context_.plan.jobs[jobs_[chunk.tensor]];
    const std::size_t inputs = job.inputs.size();
    thread_local std::vector<T*> pointers;
    pointers.clear();
    const auto widened = [&](std::size_t i) {
      T* values = workspace.block<T>(i);
      const DType dtype = streams.dtype(i);
      widen(dtype, chunk.stored[i].data() + begin * size_of(dtype), values, size);
      return values;
    };
    Block<T> block;
    block.tensor = chunk.tensor;
    block.chunk = chunk.index;
    block.first = chunk.first + begin;
    block.size = size;
    if (job.base) block.base = widened(inputs);
    for (std::size_t i = 0; i < inputs; ++i) {
      T* values = widened(i);
      if (!pass_) check(chunk.tensor, i, values, size);
      if (deltas_) subtract<T>(values, block.base, values, size);
      pointers.push_back(values);
    }
    if (job.base && !pass_) check(chunk.tensor, inputs, block.base, size);
    block.inputs = pointers;
    return block;
  }

  void check(std::size_t tensor, std::size_t input, const T* values, std::size_t size) {
    if (context_.options.non_finite == NonFinite::ignore) return;
    streams_[tensor].count_non_finite(input, count_nonfinite<T>(values, size));
  }

  void write(const Chunk& chunk, std::size_t count, Workspace& workspace) {
    JobStreams& streams = streams_[chunk.tensor];
    const PlanJob& job = context_.plan.jobs[jobs_[chunk.tensor]];
    const DType dtype = job.output.dtype;
    const std::size_t width = size_of(dtype);
    const std::span<std::byte> output = workspace.output().get(count * width);
    T* merged = workspace.block<T>(job.inputs.size() + 1);
    const auto cursor = merger_->cursor(chunk.tensor, chunk.index);
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
      const std::size_t size = std::min(kBlock, count - begin);
      merger_->write(block(chunk, begin, size, workspace), cursor.get(), merged);
      std::byte* out = output.data() + begin * width;
      narrow(merged, dtype, out, size);
      if (context_.options.non_finite != NonFinite::ignore) {
        // What overflows the stored type shows only there.
        if (width < sizeof(T)) widen(dtype, out, merged, size);
        streams.count_non_finite_output(count_nonfinite<T>(merged, size));
      }
    }
    streams.write(chunk.first, output);
    streams.hash(chunk.index, chunk.stored, output);
  }

  void sample(std::size_t tensor, Workspace& workspace) {
    const std::uint64_t size = streams_[tensor].size();
    const auto share = static_cast<double>(size) / static_cast<double>(total_);
    const auto wanted =
        jobs_.size() == 1 ? kRunsOfTensor : static_cast<std::size_t>(share * kRunsOfModel) + 1;
    const std::size_t runs = std::min<std::size_t>(wanted, chunk_count(size, kRun));
    Partial& partial = *(partials_[tensor][0] = merger_->partial(tensor));
    for (std::size_t run = 0; run < runs; ++run) {
      const std::uint64_t first = size / runs * run;
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kRun, size - first));
      const Chunk chunk{tensor, 0, first, read(tensor, first, count, workspace)};
      merger_->reduce(block(chunk, 0, count, workspace), partial);
    }
  }

  std::unique_ptr<Merger<T>> merger_;
  std::deque<JobStreams> streams_;
  std::uint64_t total_ = 0;
  bool deltas_ = false;
  std::optional<Pass> pass_;  // none: the writing phase
  std::vector<std::vector<std::unique_ptr<Partial>>> partials_;
};

}  // namespace

std::unique_ptr<Group> make_merge_group(const RunContext& context, std::vector<std::size_t> jobs) {
  const bool f64 = std::any_of(jobs.begin(), jobs.end(),
                               [&](std::size_t job) { return context.plan.jobs[job].f64; });
  if (f64) return std::make_unique<MergingGroup<double>>(context, std::move(jobs));
  return std::make_unique<MergingGroup<float>>(context, std::move(jobs));
}

}  // namespace merganser
