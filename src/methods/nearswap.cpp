// Takes the other model's values where they are near the base's, and moves less the farther they
// are.
#include "kernels/approach.h"
#include "method/descriptor.h"

namespace merganser::methods {
namespace {

constexpr double kTinyDistance = 1e-6;  // MergeKit: a smaller one divides as this

template <class T>
class NearSwap final : public Merger<T> {
 public:
  explicit NearSwap(const MergeGroup& group) {
    for (const MergeTensor& tensor : group.tensors) {
      t_.push_back(static_cast<T>(tensor.settings.number("t")));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    approach<T>(block.base, block.inputs[0], t_[block.tensor], static_cast<T>(kTinyDistance), out,
                block.size);
  }

 private:
  std::vector<T> t_;
};

Outline outline(const MergeTensor& tensor) {
  if (tensor.settings.number("t") <= 0) {
    return Outline::copy_of(Outline::kCopyBase, 1, "t is not above 0: the base is copied");
  }
  return Outline::of_all(1, 1);
}

}  // namespace

extern const Descriptor nearswap;
const Descriptor nearswap = {
    .name = "nearswap",
    .title = "NearSwap",
    .summary =
        "Takes the other model's values where they are within t of the base's; farther ones are "
        "approached by t.",
    .formula = "s = min(1, t / max(|b - x|, 1e-6));  y = s x + (1-s) b",
    .paper = "alchemonaut 2024, huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters = {{.name = "t",
                    .summary = "Distance up to which a value is taken, and the way towards one "
                               "that is farther."}},
    .outline = outline,
    .make_f32 = make_merger<NearSwap, float>,
    .make_f64 = make_merger<NearSwap, double>,
};

}  // namespace merganser::methods
