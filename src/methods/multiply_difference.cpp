// C with the weighted geometric mean of two differences from it.
#include <cmath>
#include <vector>

#include "methods/parts/add_to_first.h"

namespace merganser::methods {
namespace {

template <class T>
class MultiplyDifference final : public Merger<T> {
 public:
  explicit MultiplyDifference(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      exponents_.push_back(tensor.settings.number("alpha"));
      shares_.push_back(static_cast<T>(tensor.settings.number("beta")));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const double of_b = exponents_[block.tensor], of_a = 1 - of_b;
    const T share_b = shares_[block.tensor], share_a = 1 - share_b;
    const T *a = block.inputs[kA], *b = block.inputs[kB], *c = block.base;
    for (std::size_t i = 0; i < block.size; ++i) {
      const T da = a[i] - c[i], db = b[i] - c[i];
      // In f64: the library's powers of f32 differ in the last bit from processor to processor.
      const double mean = std::pow(std::abs(static_cast<double>(da)), of_a) *
                          std::pow(std::abs(static_cast<double>(db)), of_b);
      out[i] = c[i] + std::copysign(static_cast<T>(mean), share_a * da + share_b * db);
    }
  }

 private:
  std::vector<double> exponents_;
  std::vector<T> shares_;
};

Outline outline(const MergeTensor&) { return Outline::of_all(2, 1); }

}  // namespace

extern const Descriptor multiply_difference;
const Descriptor multiply_difference = {
    .name = "multiply_difference",
    .title = "Multiply difference",
    .summary =
        "Adds to the base the weighted geometric mean of two models' differences from it: models: "
        "[A, B], base_model: C.",
    .formula = "y = C + sign((1-beta) A + beta B - C) |A-C|^(1-alpha) |B-C|^alpha",
    .paper = "meh (s1dlx), multiply_difference",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = {{.name = "alpha",
                    .summary = "Exponent of the second model's difference.",
                    .low = 0,
                    .high = 1},
                   {.name = "beta", .summary = "Share of the second model in the sign."}},
    .outline = outline,
    .make_f32 = make_merger<MultiplyDifference, float>,
    .make_f64 = make_merger<MultiplyDifference, double>,
};

}  // namespace merganser::methods
