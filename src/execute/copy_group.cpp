#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "execute/group.h"
#include "execute/streams.h"
#include "kernels/convert.h"
#include "kernels/reduce.h"

namespace merganser {
namespace {

// One job in one phase.
class SinglePhase : public Group {
 public:
  SinglePhase(const RunContext& context, std::size_t job)
      : Group(context, {job}), streams_(context, job) {}

  std::size_t chunks(std::size_t) const override {
    const std::size_t chunk = context_.budget.chunk_elements;
    return std::max<std::size_t>(1,
                                 static_cast<std::size_t>((streams_.size() + chunk - 1) / chunk));
  }
  std::size_t chunk_elements(std::size_t) const override { return context_.budget.chunk_elements; }
  bool writing() const override { return true; }
  void finish_tensor(std::size_t) override { streams_.finish(); }
  bool next_phase() override { return false; }

 protected:
  struct Range {
    std::uint64_t first;
    std::size_t count;
  };
  Range range(std::size_t chunk) const {
    const std::uint64_t first = chunk * context_.budget.chunk_elements;
    return {first, static_cast<std::size_t>(std::min<std::uint64_t>(context_.budget.chunk_elements,
                                                                    streams_.size() - first))};
  }

  JobStreams streams_;
};

class CopyGroup : public SinglePhase {
 public:
  using SinglePhase::SinglePhase;

  void run_chunk(std::size_t, std::size_t chunk, Workspace& workspace) override {
    const auto [first, count] = range(chunk);
    const std::span<const std::byte> stored = streams_.read(0, first, count, workspace);
    const DType from = streams_.dtype(0), dtype = context_.plan.jobs[jobs_[0]].output.dtype;
    std::span<const std::byte> output = stored;
    if (is_float(dtype)) streams_.count_non_finite(0, not_finite(stored, from, count, workspace));
    if (dtype != from) output = convert(stored, from, count, dtype, workspace);
    streams_.write(first, output, {&stored, 1});
    streams_.hash(chunk, {&stored, 1}, output);
  }

 protected:
  std::uint64_t not_finite(std::span<const std::byte> stored, DType from, std::size_t count,
                           Workspace& workspace) const {
    if (context_.options.non_finite == NonFinite::ignore) return 0;
    std::uint64_t found = 0;
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
      const std::size_t size = std::min(kBlock, count - begin);
      const std::byte* in = stored.data() + begin * size_of(from);
      if (from == DType::f64) {
        double* values = workspace.block<double>(0);
        widen(from, in, values, size);
        found += count_nonfinite<double>(values, size);
      } else {
        float* values = workspace.block<float>(0);
        widen(from, in, values, size);
        found += count_nonfinite<float>(values, size);
      }
    }
    return found;
  }

  std::span<const std::byte> convert(std::span<const std::byte> stored, DType from,
                                     std::size_t count, DType dtype, Workspace& workspace) {
    const std::span<std::byte> output = workspace.output().get(count * size_of(dtype));
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
      const std::size_t size = std::min(kBlock, count - begin);
      double* values = workspace.block<double>(0);
      widen(from, stored.data() + begin * size_of(from), values, size);
      std::byte* out = output.data() + begin * size_of(dtype);
      narrow(values, dtype, out, size);
      if (context_.options.non_finite == NonFinite::ignore) continue;
      widen(dtype, out, values, size);
      streams_.count_non_finite_output(count_nonfinite<double>(values, size));
    }
    return output;
  }
};

class MadeGroup final : public CopyGroup {
 public:
  using CopyGroup::CopyGroup;

  void run_chunk(std::size_t, std::size_t chunk, Workspace& workspace) override {
    const auto [first, count] = range(chunk);
    const PlanJob& job = context_.plan.jobs[jobs_[0]];
    const Source& made = *context_.plan.made;
    const DType from = made.read_dtype(job.made);
    const std::span<std::byte> stored = workspace.stored(0).get(count * size_of(from));
    made.read(job.made, first * size_of(from), stored);
    std::span<const std::byte> output = stored;
    if (job.output.dtype != from) {
      output = convert(stored, from, count, job.output.dtype, workspace);
    } else {
      streams_.count_non_finite_output(not_finite(stored, from, count, workspace));
    }
    streams_.write(first, output, {});
    streams_.hash(chunk, {}, output);
  }
};

class HashGroup final : public Group {
 public:
  HashGroup(const RunContext& context, const PlanInput& input, HashKind kind)
      : Group(context, {0}),
        input_(input),
        info_(context.plan.models[input.model].headers()[input.tensor]),
        width_(size_of(context.plan.dtype(input))),
        hash_(kind) {}

  std::size_t chunks(std::size_t) const override {
    const std::size_t chunk = context_.budget.chunk_elements;
    return std::max<std::size_t>(1, static_cast<std::size_t>((info_.size() + chunk - 1) / chunk));
  }
  std::size_t chunk_elements(std::size_t) const override { return context_.budget.chunk_elements; }
  bool writing() const override { return true; }

  void run_chunk(std::size_t, std::size_t chunk, Workspace& workspace) override {
    const std::uint64_t first = std::uint64_t{chunk} * context_.budget.chunk_elements;
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>(context_.budget.chunk_elements, info_.size() - first));
    const std::span<std::byte> bytes = workspace.stored(0).get(count * width_);
    context_.sources[input_.model]->read(input_.tensor, first * width_, bytes);
    hash_.add(chunk, bytes, context_.stop);
  }

  void finish_tensor(std::size_t) override {
    const std::uint64_t bytes = context_.plan.models[input_.model].bytes_to_read(input_.tensor);
    context_.progress.advance(bytes);
    std::lock_guard lock(context_.report_mutex);
    context_.report.input_hashes[{input_.model, input_.tensor}] = hash_.finish();
    context_.report.bytes_read += bytes;
  }
  bool next_phase() override { return false; }

 private:
  PlanInput input_;
  const TensorInfo& info_;
  std::size_t width_;  // of an element, as delivered
  TensorHash hash_;
};

class IntegerGroup final : public SinglePhase {
 public:
  IntegerGroup(const RunContext& context, std::size_t job) : SinglePhase(context, job) {
    const PlanJob& planned = context.plan.jobs[job];
    for (std::size_t i = 0; i < planned.inputs.size(); ++i) {
      const bool is_base = planned.base && planned.inputs[i].model == planned.base->model;
      if (context.plan.recipe.integers == IntegerRule::base && is_base) chosen_ = i;
    }
  }

  void run_chunk(std::size_t, std::size_t chunk, Workspace& workspace) override {
    const auto [first, count] = range(chunk);
    std::vector<std::span<const std::byte>> stored;
    for (std::size_t i = 0; i < streams_.inputs(); ++i) {
      stored.push_back(streams_.read(i, first, count, workspace));
      if (stored[0].empty()) continue;  // no bytes, maybe no buffer either
      if (std::memcmp(stored[i].data(), stored[0].data(), stored[0].size()) != 0) differ(i);
    }
    streams_.write(first, stored[chosen_], stored);
    streams_.hash(chunk, stored, stored[chosen_]);
  }

 private:
  void differ(std::size_t input) const {
    if (context_.plan.recipe.integers != IntegerRule::error) return;
    const PlanJob& job = context_.plan.jobs[jobs_[0]];
    throw Error(ErrorKind::mismatch,
                fmt::format("its {} values differ between {} and {}", torch_name(job.output.dtype),
                            context_.plan.models[job.inputs[0].model].path.string(),
                            context_.plan.models[job.inputs[input].model].path.string()))
        .in_tensor(job.output.name)
        .hint("integers: first or integers: base in the recipe takes one model's");
  }

  std::size_t chosen_ = 0;
};

}  // namespace

std::unique_ptr<Group> make_copy_group(const RunContext& context, std::size_t job) {
  return std::make_unique<CopyGroup>(context, job);
}

std::unique_ptr<Group> make_made_group(const RunContext& context, std::size_t job) {
  return std::make_unique<MadeGroup>(context, job);
}

std::unique_ptr<Group> make_hash_group(const RunContext& context, const PlanInput& input,
                                       HashKind kind) {
  return std::make_unique<HashGroup>(context, input, kind);
}

std::unique_ptr<Group> make_integer_group(const RunContext& context, std::size_t job) {
  return std::make_unique<IntegerGroup>(context, job);
}

}  // namespace merganser
