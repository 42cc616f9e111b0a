#include <algorithm>
#include <deque>
#include <mutex>

#include "execute/group.h"
#include "execute/group_merger.h"
#include "execute/streams.h"

namespace merganser {
namespace {

// The sample of a group: runs of neighbouring elements, spread evenly. Enough that a quantile's
// standard error is well below 1 %.
constexpr std::size_t kRun = 256;                           // elements
constexpr std::size_t kRunsOfTensor = 64;                   // a group of one tensor
constexpr std::size_t kRunsOfModel = std::size_t{1} << 12;  // shared out among a model's tensors

// Whole tensors are merged one at a time in the process: BLAS then has all threads, and memory
// holds one such tensor's matrices.
std::mutex& whole_tensor_lock() {
  static std::mutex mutex;
  return mutex;
}

template <class T>
class MergingGroup final : public Group {
 public:
  MergingGroup(const RunContext& context, std::vector<std::size_t> jobs)
      : Group(context, std::move(jobs)), merger_(context.plan, jobs_) {
    for (const std::size_t job : jobs_) streams_.emplace_back(context, job);
    begin_phase();
  }

  std::size_t chunks(std::size_t tensor) const override {
    if (pass_ == Pass::sample) return 1;
    if (!pass_ && context_.is_done(jobs_[tensor])) return 0;
    return merger_.chunk_count(tensor, context_.budget.chunk_elements);
  }

  std::size_t chunk_elements(std::size_t tensor) const override {
    return merger_.chunk_size(tensor, context_.budget.chunk_elements);
  }

  bool writing() const override { return !pass_; }

  void run_chunk(std::size_t tensor, std::size_t index, Workspace& workspace) override {
    if (pass_ == Pass::sample) return sample(tensor, workspace);
    const std::size_t size = chunk_elements(tensor);
    const std::uint64_t first = index * std::uint64_t{size};
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(size, merger_.size(tensor) - first));
    const StoredChunk chunk = read(tensor, index, first, count, workspace);
    if (!merger_.whole_tensors()) return merge(chunk, workspace);
    {
      // Not while reading: an input may be a document that merges a whole tensor itself.
      std::lock_guard lock(whole_tensor_lock());
      merge(chunk, workspace);
    }
    workspace.release();
  }

  void finish_tensor(std::size_t tensor) override {
    if (pass_) {
      merger_.fold(tensor);
    } else {
      streams_[tensor].finish(merger_.merger().facts(tensor));
    }
  }

  bool next_phase() override {
    if (!pass_) return false;
    merger_.merger().end_pass();
    begin_phase();
    return true;
  }

 private:
  using Pass = typename Merger<T>::Pass;

  void begin_phase() {
    pass_ = merger_.merger().next_pass();
    if (!pass_) return;
    std::vector<std::size_t> counts;
    for (std::size_t t = 0; t < jobs_.size(); ++t) counts.push_back(chunks(t));
    merger_.begin(counts);
  }

  StoredChunk read(std::size_t tensor, std::size_t chunk, std::uint64_t first, std::size_t count,
                   Workspace& workspace) {
    JobStreams& streams = streams_[tensor];
    StoredChunk stored{tensor, chunk, first, count, {}};
    for (std::size_t i = 0; i < streams.inputs(); ++i) {
      stored.inputs.push_back(streams.read(i, first, count, workspace));
    }
    return stored;
  }

  void merge(const StoredChunk& chunk, Workspace& workspace) {
    if (pass_) {
      merger_.reduce(chunk, workspace);
    } else {
      write(chunk, workspace);
    }
  }

  void write(const StoredChunk& chunk, Workspace& workspace) {
    JobStreams& streams = streams_[chunk.tensor];
    const std::size_t width = size_of(context_.plan.jobs[jobs_[chunk.tensor]].output.dtype);
    const std::span<std::byte> output = workspace.output().get(chunk.count * width);
    std::vector<std::span<std::byte>> masks;
    for (std::size_t i = 0; i < context_.plan.jobs[jobs_[chunk.tensor]].masks.size(); ++i) {
      masks.push_back(workspace.mask(i).get((chunk.count + 7) / 8));
    }
    if (context_.options.non_finite == NonFinite::ignore) {
      merger_.write(
          chunk, workspace, output, masks, [](std::size_t, const T*, std::size_t) {},
          [](DType, const std::byte*, T*, std::size_t) {});
    } else {
      merger_.write(
          chunk, workspace, output, masks,
          [&](std::size_t input, const T* values, std::size_t size) {
            streams.count_non_finite(input, count_nonfinite<T>(values, size));
          },
          [&](DType dtype, const std::byte* stored, T* values, std::size_t size) {
            // What overflows the stored type shows only there.
            if (width < sizeof(T)) widen(dtype, stored, values, size);
            streams.count_non_finite_output(count_nonfinite<T>(values, size));
          });
    }
    streams.write(chunk.first, output, chunk.inputs);
    for (std::size_t i = 0; i < masks.size(); ++i) {
      streams.write_mask(i, chunk.index, chunk.first, masks[i]);
    }
    streams.hash(chunk.index, chunk.inputs, output);
  }

  void sample(std::size_t tensor, Workspace& workspace) {
    const std::uint64_t size = merger_.size(tensor);
    const auto share = static_cast<double>(size) / static_cast<double>(merger_.total());
    const auto wanted =
        jobs_.size() == 1 ? kRunsOfTensor : static_cast<std::size_t>(share * kRunsOfModel) + 1;
    const auto most = std::max<std::size_t>(1, static_cast<std::size_t>((size + kRun - 1) / kRun));
    const std::size_t runs = std::min(wanted, most);
    for (std::size_t run = 0; run < runs; ++run) {
      const std::uint64_t first = size / runs * run;
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kRun, size - first));
      merger_.reduce(read(tensor, 0, first, count, workspace), workspace);
    }
  }

  GroupMerger<T> merger_;
  std::deque<JobStreams> streams_;
  std::optional<Pass> pass_;  // none: the writing phase
};

}  // namespace

std::unique_ptr<Group> make_merge_group(const RunContext& context, std::vector<std::size_t> jobs) {
  const bool f64 = std::any_of(jobs.begin(), jobs.end(),
                               [&](std::size_t job) { return context.plan.jobs[job].f64; });
  if (f64) return std::make_unique<MergingGroup<double>>(context, std::move(jobs));
  return std::make_unique<MergingGroup<float>>(context, std::move(jobs));
}

}  // namespace merganser
