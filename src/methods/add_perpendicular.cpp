// A + alpha times the part of B - C that is perpendicular to A - C: what B learned and A did not.
#include <algorithm>
#include <array>

#include "kernels/blend.h"
#include "kernels/reduce.h"
#include "methods/parts/add_to_first.h"
#include "methods/parts/block_sums.h"

namespace merganser::methods {
namespace {

template <class T>
class AddPerpendicular final : public Merger<T> {
 public:
  explicit AddPerpendicular(MergeGroup group) : sums_(group.tensors.size()) {
    for (const MergeTensor& tensor : group.tensors) {
      alpha_.push_back(static_cast<T>(tensor.settings.number("alpha")));
    }
  }

  std::optional<typename Merger<T>::Pass> next_pass() const override {
    if (reduced_) return std::nullopt;
    return Merger<T>::Pass::full;
  }

  std::unique_ptr<Partial> partial(std::size_t) const override {
    return std::make_unique<BlockSums>(2);
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    T *a = block.inputs[kA], *b = block.inputs[kB];
    subtract<T>(a, block.base, a, block.size);
    subtract<T>(b, block.base, b, block.size);
    double* row = static_cast<BlockSums&>(partial).append();
    row[0] = dot<T>(a, a, block.size);
    row[1] = dot<T>(a, b, block.size);
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    for (const auto& chunk : chunks) static_cast<const BlockSums&>(*chunk).add_to(sums_[tensor]);
  }

  void end_pass() override { reduced_ = true; }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const T* a = block.inputs[kA];
    T* b = block.inputs[kB];
    if (sums_[block.tensor][0] == 0) {
      std::copy_n(a, block.size, out);
      return;
    }
    subtract<T>(a, block.base, out, block.size);
    subtract<T>(b, block.base, b, block.size);
    add_scaled<T>(-static_cast<T>(projection(block.tensor)), out, b, block.size);
    scale<T>(alpha_[block.tensor], b, out, block.size);
    add<T>(a, out, out, block.size);
  }

  std::vector<Fact> facts(std::size_t tensor) const override {
    return {{"projection", {projection(tensor)}}};
  }

 private:
  // The factor of A - C that is taken from B - C.
  double projection(std::size_t tensor) const {
    const auto [norm2, product] = sums_[tensor];
    return norm2 == 0 ? 0 : product / norm2;
  }

  std::vector<T> alpha_;
  std::vector<std::array<double, 2>> sums_;  // |A - C|^2, (A - C).(B - C)
  bool reduced_ = false;
};

Outline outline(const MergeTensor& tensor) { return add_to_first_outline(tensor, 2); }

}  // namespace

extern const Descriptor add_perpendicular;
const Descriptor add_perpendicular = {
    .name = "add_perpendicular",
    .title = "Add perpendicular",
    .summary =
        "Adds to the first model the part of the second one's difference from the base that is "
        "perpendicular to the first one's own: models: [A, B], base_model: C.",
    .formula = "y = A + alpha (b - a (a.b) / |a|^2),  a = A - C, b = B - C;  a = 0: y = A",
    .paper = "sd-mecha, add_perpendicular",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = {alpha_parameter(1, "Factor of the perpendicular part.")},
    .outline = outline,
    .make_f32 = make_merger<AddPerpendicular, float>,
    .make_f64 = make_merger<AddPerpendicular, double>,
};

}  // namespace merganser::methods
