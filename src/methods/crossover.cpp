// Low frequencies of one model and high ones of another, by a transform over all axes of a tensor.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/blend.h"
#include "method/descriptor.h"
#include "methods/parts/fourier.h"

namespace merganser::methods {
namespace {

// The share of the model at a frequency, by its distance from zero.
class Crossover {
 public:
  Crossover(double alpha, double tilt) : alpha_(alpha), tilt_(tilt - 4 * std::floor(tilt / 4)) {
    inverted_ = tilt_ > 2;
    if (inverted_) alpha_ = 1 - alpha_;
    cotangent_ = 1 / std::tan(std::numbers::pi * tilt_ / 2);
  }

  double operator()(double distance) const {
    const double share = of_cut(distance);
    return inverted_ ? 1 - share : share;
  }

 private:
  static constexpr double kVertical = 1e-10;  // as sd-mecha has it

  double of_cut(double distance) const {
    if (tilt_ < kVertical || 4 - tilt_ < kVertical) return distance > 1 - alpha_;
    if (std::abs(tilt_ - 2) < kVertical) return distance < 1 - alpha_;
    const bool rising = tilt_ <= 1 || (tilt_ > 2 && tilt_ <= 3);
    const double slid = rising ? distance * cotangent_ + alpha_ * cotangent_ + alpha_ - cotangent_
                               : distance * cotangent_ - alpha_ * cotangent_ + alpha_;
    return std::clamp(slid, 0.0, 1.0);
  }

  double alpha_, tilt_, cotangent_ = 0;
  bool inverted_ = false;
};

// torch.allclose with its defaults.
template <class T>
bool nearly_equal(const T* a, const T* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const double x = a[i], y = b[i];
    if (!(std::abs(x - y) <= 1e-8 + 1e-5 * std::abs(y))) return false;
  }
  return true;
}

template <class T>
class CrossoverMerger final : public Merger<T> {
 public:
  explicit CrossoverMerger(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      tensors_.push_back(
          {tensor.settings.number("alpha"), tensor.settings.number("tilt"), tensor.shape});
    }
  }

  // The transform is linear: that of the difference alone will do.
  void write(const Block<T>& block, Cursor*, T* out) const override {
    const auto& [alpha, tilt, shape] = tensors_[block.tensor];
    const T *a = block.base, *b = block.inputs[0];
    subtract<T>(b, a, out, block.size);
    if (shape.empty() || tilt == 1 || nearly_equal(a, b, block.size)) {
      scale<T>(static_cast<T>(alpha), out, out, block.size);
    } else {
      filter_frequencies(shape, out, Crossover(alpha, tilt));
    }
    add<T>(a, out, out, block.size);
  }

 private:
  struct Tensor {
    double alpha, tilt;
    Shape shape;
  };
  std::vector<Tensor> tensors_;
};

Outline outline(const MergeTensor& tensor) {
  const double alpha = tensor.settings.number("alpha");
  if (alpha == 0) return Outline::copy_of(Outline::kCopyBase, 1, "alpha = 0: the base is copied");
  if (alpha == 1) return Outline::copy_of(0, 1, "alpha = 1: the model is copied");
  Outline outline = Outline::of_all(1, 1);
  if (tensor.settings.number("tilt") == 1) return outline;
  outline.unit = Unit::tensor;
  outline.workspace = filter_frequencies_bytes(tensor.shape, sizeof(double));
  return outline;
}

}  // namespace

extern const Descriptor crossover;
const Descriptor crossover = {
    .name = "crossover",
    .title = "Frequency crossover",
    .summary =
        "Takes the low frequencies of each tensor from the base and the high ones from the model.",
    .formula =
        "y = A + F^-1[g(r) F[B - A]], F over all axes, r = root mean square of the axes' "
        "frequencies, 0 to 1;  tilt 0: g = 1 for r > 1 - alpha, else 0;  0 < tilt < 1: "
        "g = clip((r + alpha - 1) cot(pi tilt/2) + alpha, 0, 1);  tilt 1: g = alpha",
    .paper = "sd-mecha, crossover",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters = {{.name = "alpha",
                    .summary = "How far the cut lies below the highest frequency: 0 is the base, "
                               "1 the model.",
                    .fallback = Value{0.5},
                    .low = 0,
                    .high = 1},
                   {.name = "tilt",
                    .summary =
                        "Softens the cut, to a weighted sum at 1; from 1 to 2 it turns on, until "
                        "the model has the low frequencies, and from 2 to 4 back again.",
                    .fallback = Value{0.0}}},
    .outline = outline,
    .make_f32 = make_merger<CrossoverMerger, float>,
    .make_f64 = make_merger<CrossoverMerger, double>,
};

}  // namespace merganser::methods
