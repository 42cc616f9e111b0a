#include "execute/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/text.h"

namespace merganser {
namespace {

// Larger chunks leave the caches, smaller ones pay for system calls and small writes: of 2^15 to
// 2^20, this was the fastest for every method (1 MiB of L2 a core, 32 MiB of L3).
constexpr std::size_t kBestChunk = std::size_t{1} << 18;  // elements
// What a reduction keeps of each element at most: the collected share of a magnitude selection
// (bounded by its Limits) and block sums.
constexpr std::uint64_t kSelectionBytes = std::uint64_t{16} << 20;
constexpr std::uint64_t kHistogramBytes = 4096 * 8;
constexpr std::uint64_t kMaskBytes = std::uint64_t{16} << 20;  // MaskCache::kMaxBytes
constexpr std::uint64_t kUsual = std::uint64_t{256} << 20;     // where the user sets no limit
constexpr std::uint64_t kProgram = std::uint64_t{4} << 20;     // headers, the plan, allocator

struct Widest {
  std::uint64_t bytes_per_element = 0;  // stored inputs, base and output of one element
  std::uint64_t block_bytes = 0;        // a worker's working blocks
  std::uint64_t block = kBlock;         // elements of the widest block that several workers hold
  std::uint64_t whole_tensor = 0;       // bytes of the one whole tensor at hand
  std::uint64_t kept = 0;               // by the reduction passes of one tensor
  std::uint64_t kept_of_model = 0;      // by those over the whole model
};

// For what sources compute as they are read.
std::uint64_t source_memory(const Plan& plan, unsigned threads) {
  std::uint64_t total = 0;
  for (const PlanModel& model : plan.models) {
    if (model.source) total += model.source->memory(threads);
  }
  return total;
}

Widest widest_job(const Plan& plan) {
  Widest widest;
  std::uint64_t histograms = 0, collected_of_model = 0;
  for (const PlanJob& job : plan.jobs) {
    const auto stored = [&](const PlanInput& input) { return size_of(plan.dtype(input)); };
    std::uint64_t bytes = size_of(job.output.dtype);
    if (job.action == PlanJob::Action::make) {
      bytes += sizeof(double);
    } else {
      for (const PlanInput& input : job.inputs) bytes += stored(input);
      if (job.base) bytes += stored(*job.base);
    }
    const std::uint64_t working = job.f64 ? 8 : 4;
    const std::uint64_t block =
        std::max<std::uint64_t>(kBlock, block_size(job.unit, job.output.shape));
    const std::uint64_t blocks = (job.inputs.size() + 2) * block * working;
    if (job.action == PlanJob::Action::merge && job.unit == Unit::tensor) {
      const std::uint64_t whole = bytes * job.output.size() + blocks + job.workspace;
      widest.whole_tensor = std::max(widest.whole_tensor, whole);
      continue;
    }
    widest.bytes_per_element = std::max(widest.bytes_per_element, bytes);
    widest.block_bytes = std::max(widest.block_bytes, blocks + job.workspace);
    widest.block = std::max(widest.block, block);
    if (job.sweeps > 1 && job.whole_model) {
      // Selections narrow the model's bracket by a histogram for each tensor, then collect once.
      const std::uint64_t inputs = job.inputs.size();
      histograms += inputs * kHistogramBytes;
      collected_of_model =
          std::min(inputs * kSelectionBytes,
                   collected_of_model + inputs * (job.output.size() / 50 * working));
    } else if (job.sweeps > 1) {
      // What a selection collects when its sample was a fair one, and masks of a bit an element.
      const std::uint64_t collected =
          job.inputs.size() * std::min(kSelectionBytes, job.output.size() / 50 * working);
      const std::uint64_t masks = std::min(kMaskBytes, job.inputs.size() * (job.output.size() / 8));
      widest.kept = std::max({widest.kept, collected, masks});
    }
  }
  widest.kept_of_model = histograms + collected_of_model;
  return widest;
}

}  // namespace

std::size_t chunk_elements(const PlanJob& job, std::size_t wanted) {
  if (job.action != PlanJob::Action::merge) return wanted;
  const std::size_t block = block_size(job.unit, job.output.shape);
  return std::max(block, wanted / block * block);
}

Budget plan_budget(const Plan& plan, std::uint64_t memory, unsigned threads) {
  Widest widest = widest_job(plan);
  const std::vector<const Plan*> documents = plan.documents();
  Budget budget;
  budget.threads = std::max(1u, threads);
  std::uint64_t fixed =
      kProgram + widest.kept_of_model + widest.whole_tensor + budget.threads * widest.block_bytes;
  fixed += source_memory(plan, budget.threads);
  for (const Plan* document : documents) fixed += source_memory(*document, budget.threads);
  const std::uint64_t per_element = budget.threads * widest.bytes_per_element;
  const std::uint64_t smallest = fixed + widest.kept + per_element * widest.block;
  // Where nobody sets a limit, other tensors get good chunks beside a whole one.
  const std::uint64_t spare =
      widest.whole_tensor == 0 ? 0 : widest.kept + per_element * std::uint64_t{kBestChunk};
  if (memory == 0) memory = std::max(kUsual, smallest + spare);
  if (memory < smallest) {
    throw Error(ErrorKind::usage,
                fmt::format("--memory {} is too small for this merge with {} threads",
                            human_bytes(memory), budget.threads))
        .hint(fmt::format("it needs {}", human_bytes(smallest)));
  }
  // More open groups keep more workers busy at a phase's end; half of what is left is for them.
  const std::uint64_t more =
      widest.kept == 0 ? budget.threads : (memory - smallest) / 2 / widest.kept;
  budget.window = 1 + static_cast<unsigned>(std::min<std::uint64_t>(budget.threads, more));
  const std::uint64_t kept = budget.window * widest.kept;
  const std::uint64_t affordable =
      (memory - fixed - kept) / std::max<std::uint64_t>(1, per_element);
  budget.chunk_elements = std::min<std::uint64_t>(kBestChunk, affordable) / kBlock * kBlock;
  const std::uint64_t needed =
      fixed + kept + per_element * std::max<std::uint64_t>(widest.block, budget.chunk_elements);
  // What is left holds outputs of documents.
  if (!documents.empty()) budget.held_bytes = memory - std::min(memory, needed);
  budget.peak_bytes = needed + budget.held_bytes;
  return budget;
}

}  // namespace merganser
