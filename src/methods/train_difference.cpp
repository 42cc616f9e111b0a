// A + mask (B - C): the difference is added where it would move A, by a mask of each element.
#include <cmath>
#include <string_view>
#include <vector>

#include "methods/parts/add_to_first.h"

namespace merganser::methods {
namespace {

enum class Mask { train, opposite, strict_opposite };

Mask mask_of(const Settings& settings) {
  const std::string_view name = settings.choice("mask");
  if (name == "add_opposite") return Mask::opposite;
  return name == "add_strict_opposite" ? Mask::strict_opposite : Mask::train;
}

template <class T>
T zero_if_nan(T x) {
  return x == x ? x : T{0};
}

// 0/0 is 0: there is nothing to add, or nothing that opposes it.
template <class T>
T train(T a, T b, T c) {
  const T moved = std::abs(b - a);
  return zero_if_nan(moved / (moved + std::abs(b - c)));
}

template <class T>
T opposite(T a, T b, T c) {
  const T apart = std::abs(a - b);
  // a + b - 2c; the differences of near numbers are exact, the sum a + b is not.
  return zero_if_nan(apart / (apart + std::abs((a - c) + (b - c))));
}

template <class T>
T strict_opposite(T a, T b, T c) {
  const T da = a - c, db = b - c;
  const T larger = std::abs(da) < std::abs(db) ? std::abs(db) : std::abs(da);
  // Quotients first: the square of a tiny difference would underflow.
  const T mask = zero_if_nan(-(da / larger) * (db / larger));
  return mask > 0 ? mask : T{0};
}

template <class T, class MaskOf>
void add_masked(const Block<T>& block, T factor, MaskOf mask, T* out) {
  const T *a = block.inputs[kA], *b = block.inputs[kB], *c = block.base;
  for (std::size_t i = 0; i < block.size; ++i) {
    out[i] = a[i] + (factor * mask(a[i], b[i], c[i])) * (b[i] - c[i]);
  }
}

template <class T>
class TrainDifference final : public Merger<T> {
 public:
  explicit TrainDifference(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      const Mask mask = mask_of(tensor.settings);
      const double strength = mask == Mask::train ? 1.8 : 2;
      factor_.push_back(static_cast<T>(strength * tensor.settings.number("alpha")));
      mask_.push_back(mask);
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const T factor = factor_[block.tensor];
    switch (mask_[block.tensor]) {
      case Mask::train:
        return add_masked(block, factor, train<T>, out);
      case Mask::opposite:
        return add_masked(block, factor, opposite<T>, out);
      case Mask::strict_opposite:
        return add_masked(block, factor, strict_opposite<T>, out);
    }
  }

 private:
  std::vector<T> factor_;
  std::vector<Mask> mask_;
};

Outline outline(const MergeTensor& tensor) { return add_to_first_outline(tensor, 1); }

}  // namespace

extern const Descriptor train_difference;
const Descriptor train_difference = {
    .name = "train_difference",
    .title = "Train difference",
    .summary =
        "Adds to the first model what the second one has over the base, the more the farther the "
        "second is from the first: models: [A, B], base_model: C.",
    .formula =
        "y = A + 1.8 alpha r (B - C),  r = |B-A| / (|B-A| + |B-C|), 0 for 0/0;  "
        "mask: add_opposite: 2 alpha |A-B| / (|A-B| + |A+B-2C|) (B - C);  add_strict_opposite: "
        "2 alpha max(0, -(A-C)(B-C) / max(|A-C|, |B-C|)^2) (B - C)",
    .paper =
        "supermerger (hako-mikan), 'trainDifference'; sd-mecha, train_difference_mask, "
        "add_opposite_mask, add_strict_opposite_mask",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = {alpha_parameter(1, "Factor of what is added, beside the mask's own."),
                   {.name = "mask",
                    .summary =
                        "What is let through: moves towards the second model, or (opposite) only "
                        "what goes against the first model's own difference from the base.",
                    .type = ParameterType::choice,
                    .fallback = Value{"train_difference"},
                    .choices = {"train_difference", "add_opposite", "add_strict_opposite"}}},
    .outline = outline,
    .make_f32 = make_merger<TrainDifference, float>,
    .make_f64 = make_merger<TrainDifference, double>,
};

}  // namespace merganser::methods
