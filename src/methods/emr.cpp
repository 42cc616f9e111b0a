// Elect, mask and rescale (Huang et al. 2024): one unified task vector, and a mask for each task.
#include <vector>

#include "kernels/blend.h"
#include "kernels/reduce.h"
#include "method/descriptor.h"
#include "methods/parts/block_sums.h"
#include "methods/parts/task_masks.h"

namespace merganser::methods {
namespace {

// Of each element: the elected sign times the largest magnitude among those that agree with it. A
// sum of 0 elects minus, as FusionBench does; where nobody agrees, 0. One input after the other, so
// that the compiler can use vectors.
template <class T>
void unify(const Block<T>& block, T* out) {
  thread_local std::vector<T> signs;
  signs.assign(block.size, T{0});
  for (const T* input : block.inputs) {
    for (std::size_t e = 0; e < block.size; ++e) signs[e] += input[e];
  }
  for (std::size_t e = 0; e < block.size; ++e) {
    signs[e] = signs[e] > 0 ? T{1} : T{-1};
    out[e] = 0;
  }
  for (const T* input : block.inputs) {
    for (std::size_t e = 0; e < block.size; ++e) {
      const T value = input[e] * signs[e];
      out[e] = value > out[e] ? value : out[e];
    }
  }
  for (std::size_t e = 0; e < block.size; ++e) out[e] *= signs[e];
}

template <class T>
class Emr final : public Merger<T> {
 public:
  explicit Emr(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      inputs_.push_back(tensor.models.size());
      const bool means = tensor.settings.choice("rescale") == "tensors";
      counts_.push_back(means ? static_cast<double>(tensor.size) : 1);
      rescale_.push_back(tensor.settings.choice("rescale") != "none");
      lambda_.push_back(static_cast<T>(tensor.settings.number("lambda")));
    }
    mass_.resize(inputs_.size());
    unified_mass_.resize(inputs_.size());
  }

  std::optional<typename Merger<T>::Pass> next_pass() const override {
    if (reduced_) return std::nullopt;
    return Merger<T>::Pass::full;
  }

  std::unique_ptr<Partial> partial(std::size_t tensor) const override {
    return std::make_unique<BlockSums>(2 * inputs_[tensor]);
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    const std::size_t inputs = block.inputs.size();
    double* row = static_cast<BlockSums&>(partial).append();
    for (std::size_t i = 0; i < inputs; ++i) row[i] = sum_abs<T>(block.inputs[i], block.size);
    thread_local std::vector<T> unified, kept;
    unified.resize(block.size);
    kept.resize(block.size);
    unify(block, unified.data());
    for (std::size_t i = 0; i < inputs; ++i) {
      const T* input = block.inputs[i];
      for (std::size_t e = 0; e < block.size; ++e) {
        kept[e] = input[e] * unified[e] > 0 ? unified[e] : T{0};
      }
      row[inputs + i] = sum_abs<T>(kept.data(), block.size);
    }
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    std::vector<double> sums(2 * inputs_[tensor]);
    for (const auto& chunk : chunks) static_cast<const BlockSums&>(*chunk).add_to(sums);
    const auto middle = sums.begin() + static_cast<std::ptrdiff_t>(inputs_[tensor]);
    mass_[tensor].assign(sums.begin(), middle);
    unified_mass_[tensor].assign(middle, sums.end());
  }

  void end_pass() override { reduced_ = true; }

  void masks(const Block<T>& block, std::span<std::uint8_t* const> bits) const override {
    thread_local std::vector<T> unified;
    unified.resize(block.size);
    unify(block, unified.data());
    write_masks<T>(block, bits, [&](std::size_t input, std::size_t element) {
      return block.inputs[input][element] * unified[element] > 0;
    });
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    unify(block, out);
    scale<T>(lambda_[block.tensor], out, out, block.size);
    add<T>(block.base, out, out, block.size);
  }

  std::vector<Fact> facts(std::size_t tensor) const override {
    if (!rescale_[tensor] || counts_[tensor] == 0) return {};
    const auto shared_out = [&](std::vector<double> sums) {
      for (double& sum : sums) sum /= counts_[tensor];
      return sums;
    };
    return {{kTaskMass, shared_out(mass_[tensor])},
            {kUnifiedMass, shared_out(unified_mass_[tensor])}};
  }

 private:
  std::vector<std::size_t> inputs_;
  std::vector<double> counts_;  // what the sums are divided by
  std::vector<bool> rescale_;
  std::vector<T> lambda_;
  std::vector<std::vector<double>> mass_, unified_mass_;
  bool reduced_ = false;
};

Outline outline(const MergeTensor& tensor) {
  return Outline::of_all(tensor.settings.per_input.size(), 2);
}

}  // namespace

extern const Descriptor emr;
const Descriptor emr = {
    .name = "emr",
    .title = "EMR",
    .summary =
        "Unifies the task vectors into one, with a mask and a scale for each task: merganser "
        "materialise makes any task's checkpoint from them.",
    .formula =
        "s = sign(sum_i d_i);  u = s * max_{sign d_i = s} |d_i|;  y = b + lambda u;  "
        "task i: b + c_i m_i u, m_i = [d_i u > 0], c_i = sum |d_i| / sum |m_i u|",
    .paper = "Huang et al. 2024, EMR-Merging, arXiv 2405.17461",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters =
        {{.name = "lambda",
          .summary = "Factor of the unified task vector in the merged model; the tasks' scales are "
                     "for 1.",
          .fallback = Value{1.0}},
         {.name = "rescale",
          .summary = "A task's scale from sums over all elements (the paper), from the mean of "
                     "each tensor (FusionBench), or 1.",
          .type = ParameterType::choice,
          .fallback = Value{"elements"},
          .choices = {"elements", "tensors", "none"},
          .constant = true}},
    .task_masks = true,
    .outline = outline,
    .make_f32 = make_merger<Emr, float>,
    .make_f64 = make_merger<Emr, double>,
};

}  // namespace merganser::methods
