// A merger together with the geometry of its jobs: turns stored bytes into the blocks that it sees,
// and what it writes into stored bytes again. Knows neither sources nor sinks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "execute/budget.h"
#include "execute/workspace.h"
#include "kernels/blend.h"
#include "kernels/convert.h"
#include "kernels/reduce.h"
#include "plan/plan.h"

namespace merganser {

// A run of a tensor's elements, as stored: one span for each input, the base last.
struct StoredChunk {
  std::size_t tensor = 0, index = 0;
  std::uint64_t first = 0;
  std::size_t count = 0;
  std::vector<std::span<const std::byte>> inputs;
};

template <class T>
class GroupMerger {
 public:
  using Pass = typename Merger<T>::Pass;

  GroupMerger(const Plan& plan, const std::vector<std::size_t>& jobs) {
    MergeGroup group;
    group.seed = plan.recipe.seed;
    for (const std::size_t index : jobs) {
      const PlanJob& job = plan.jobs[index];
      group.tensors.push_back(job.merge_tensor());
      Tensor tensor{&job, job.output.size(), block_size(job.unit, job.output.shape), {}};
      for (const PlanInput& input : job.inputs) tensor.dtypes.push_back(plan.dtype(input));
      if (job.base) tensor.dtypes.push_back(plan.dtype(*job.base));
      total_ += tensor.size;
      tensors_.push_back(std::move(tensor));
    }
    partials_.resize(jobs.size());
    if (plan.jobs[jobs[0]].identity) {
      merger_ = std::make_unique<Identity>();
      return;
    }
    deltas_ = plan.method->space == InputSpace::deltas;
    if constexpr (std::is_same_v<T, float>) {
      merger_ = plan.method->make_f32(std::move(group));
    } else {
      merger_ = plan.method->make_f64(std::move(group));
    }
  }

  std::size_t tensors() const { return tensors_.size(); }
  std::uint64_t total() const { return total_; }
  std::uint64_t size(std::size_t tensor) const { return tensors_[tensor].size; }
  bool whole_tensors() const { return tensors_[0].job->unit == Unit::tensor; }
  Merger<T>& merger() { return *merger_; }

  // Elements of a chunk: whole blocks, `wanted` where they fit.
  std::size_t chunk_size(std::size_t tensor, std::size_t wanted) const {
    return chunk_elements(*tensors_[tensor].job, wanted);
  }

  // An empty tensor still passes through as one empty chunk.
  std::size_t chunk_count(std::size_t tensor, std::size_t wanted) const {
    const std::size_t chunk = chunk_size(tensor, wanted);
    return std::max<std::size_t>(1, (size(tensor) + chunk - 1) / chunk);
  }

  // Begins a reduction over `chunks` partials of each tensor.
  void begin(std::span<const std::size_t> chunks) {
    for (std::size_t t = 0; t < tensors_.size(); ++t) partials_[t].resize(chunks[t]);
  }

  void reduce(const StoredChunk& chunk, Workspace& workspace) {
    std::unique_ptr<Partial>& partial = partials_[chunk.tensor][chunk.index];
    if (!partial) partial = merger_->partial(chunk.tensor);
    each_block(chunk, [&](std::size_t begin, std::size_t size) {
      merger_->reduce(block(chunk, begin, size, workspace, Unchecked{}), *partial);
    });
  }

  void fold(std::size_t tensor) {
    merger_->fold(tensor, partials_[tensor]);
    partials_[tensor].clear();
  }

  // `out` takes the chunk in the output's type. `check(input, values, size)` sees every widened
  // input, `written(values, size)` what is read back from `out`; either may be a no-op.
  // `masks`: a buffer for the bits of each input, or none.
  template <class Check, class Written>
  void write(const StoredChunk& chunk, Workspace& workspace, std::span<std::byte> out,
             std::span<const std::span<std::byte>> masks, Check check, Written written) {
    const PlanJob& job = *tensors_[chunk.tensor].job;
    const DType dtype = job.output.dtype;
    const std::size_t width = size_of(dtype);
    const std::size_t inputs = job.inputs.size();
    const auto cursor = merger_->cursor(chunk.tensor, chunk.index);
    each_block(chunk, [&](std::size_t begin, std::size_t size) {
      T* merged = workspace.block<T>(inputs + 1, size);
      const Block<T> input = block(chunk, begin, size, workspace, check);
      if (!masks.empty()) {
        std::vector<std::uint8_t*> bits;
        for (const auto& mask : masks) {
          bits.push_back(reinterpret_cast<std::uint8_t*>(mask.data() + begin / 8));
        }
        merger_->masks(input, bits);
      }
      merger_->write(input, cursor.get(), merged);
      if (job.change_scale != 1) {
        subtract<T>(merged, input.base, merged, size);
        scale<T>(static_cast<T>(job.change_scale), merged, merged, size);
        add<T>(input.base, merged, merged, size);
      }
      std::byte* stored = out.data() + begin * width;
      narrow(merged, dtype, stored, size);
      written(dtype, stored, merged, size);
    });
  }

 private:
  class Identity final : public Merger<T> {
   public:
    void write(const Block<T>& block, Cursor*, T* out) const override {
      std::copy_n(block.inputs[0], block.size, out);
    }
  };

  struct Tensor {
    const PlanJob* job;
    std::uint64_t size;
    std::size_t block;
    std::vector<DType> dtypes;  // of the inputs, the base last
  };

  struct Unchecked {
    void operator()(std::size_t, const T*, std::size_t) const {}
  };

  template <class Act>
  void each_block(const StoredChunk& chunk, Act act) const {
    const std::size_t step = tensors_[chunk.tensor].block;
    for (std::size_t begin = 0; begin < chunk.count; begin += step) {
      act(begin, std::min(step, chunk.count - begin));
    }
  }

  // The block that begins `begin` elements into the chunk, widened; deltas where the method asks.
  template <class Check>
  Block<T> block(const StoredChunk& chunk, std::size_t begin, std::size_t size,
                 Workspace& workspace, Check check) const {
    const Tensor& tensor = tensors_[chunk.tensor];
    const std::size_t inputs = tensor.job->inputs.size();
    thread_local std::vector<T*> pointers;
    pointers.clear();
    const auto widened = [&](std::size_t i) {
      T* values = workspace.block<T>(i, size);
      const DType dtype = tensor.dtypes[i];
      widen(dtype, chunk.inputs[i].data() + begin * size_of(dtype), values, size);
      check(i, values, size);
      return values;
    };
    Block<T> block;
    block.tensor = chunk.tensor;
    block.chunk = chunk.index;
    block.first = chunk.first + begin;
    block.size = size;
    if (tensor.job->base) block.base = widened(inputs);
    for (std::size_t i = 0; i < inputs; ++i) {
      T* values = widened(i);
      if (deltas_ && block.base != nullptr) subtract<T>(values, block.base, values, size);
      pointers.push_back(values);
    }
    block.inputs = pointers;
    return block;
  }

  std::vector<Tensor> tensors_;
  std::unique_ptr<Merger<T>> merger_;
  std::uint64_t total_ = 0;
  bool deltas_ = false;
  std::vector<std::vector<std::unique_ptr<Partial>>> partials_;
};

}  // namespace merganser
