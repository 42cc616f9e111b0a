// Spherical linear interpolation (Shoemake 1985) between the base and one other model.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/blend.h"
#include "kernels/reduce.h"
#include "method/descriptor.h"
#include "methods/parts/block_sums.h"

namespace merganser::methods {
namespace {

constexpr double kTinyNorm = 1e-8;      // below it a vector has no direction
constexpr double kNearlyLine = 0.9995;  // |cos| above it: the arc is a line within rounding

struct Gram {
  double norm0 = 0, norm1 = 0, dot = 0;  // squared norms of base and model, their product
};

// Factors of the unnormalised base and model.
std::array<double, 2> factors(const Gram& gram, double t, bool normalize) {
  const double n0 = std::sqrt(gram.norm0), n1 = std::sqrt(gram.norm1);
  const double unit0 = n0 > kTinyNorm ? n0 : 1, unit1 = n1 > kTinyNorm ? n1 : 1;
  const double cosine = std::clamp(gram.dot / (unit0 * unit1), -1.0, 1.0);
  double f0 = 1 - t, f1 = t;
  if (std::abs(cosine) <= kNearlyLine) {
    const double angle = std::acos(cosine), sine = std::sin(angle);
    f0 = std::sin((1 - t) * angle) / sine;
    f1 = std::sin(t * angle) / sine;
  }
  if (!normalize) return {f0, f1};
  const double norm = (1 - t) * n0 + t * n1;
  return {f0 * norm / unit0, f1 * norm / unit1};
}

template <class T>
class Slerp final : public Merger<T> {
 public:
  explicit Slerp(MergeGroup group) : grams_(group.tensors.size()), factors_(group.tensors.size()) {
    for (const MergeTensor& tensor : group.tensors) {
      t_.push_back(tensor.settings.number("t"));
      normalize_.push_back(tensor.settings.flag("normalize"));
    }
    whole_model_ = group.tensors[0].settings.choice("scope") == "model";
  }

  std::optional<typename Merger<T>::Pass> next_pass() const override {
    if (reduced_) return std::nullopt;
    return Merger<T>::Pass::full;
  }

  std::unique_ptr<Partial> partial(std::size_t) const override {
    return std::make_unique<BlockSums>(3);
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    double* row = static_cast<BlockSums&>(partial).append();
    row[0] = dot<T>(block.base, block.base, block.size);
    row[1] = dot<T>(block.inputs[0], block.inputs[0], block.size);
    row[2] = dot<T>(block.base, block.inputs[0], block.size);
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    std::array<double, 3> sums{};
    for (const auto& chunk : chunks) static_cast<const BlockSums&>(*chunk).add_to(sums);
    grams_[tensor] = {sums[0], sums[1], sums[2]};
  }

  void end_pass() override {
    if (whole_model_) {
      Gram all;
      for (const Gram& gram : grams_) {
        all.norm0 += gram.norm0;
        all.norm1 += gram.norm1;
        all.dot += gram.dot;
      }
      std::fill(grams_.begin(), grams_.end(), all);
    }
    for (std::size_t i = 0; i < grams_.size(); ++i) {
      const auto [f0, f1] = factors(grams_[i], t_[i], normalize_[i]);
      factors_[i] = {static_cast<T>(f0), static_cast<T>(f1)};
    }
    reduced_ = true;
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const auto [f0, f1] = factors_[block.tensor];
    scale<T>(f0, block.base, out, block.size);
    add_scaled<T>(f1, block.inputs[0], out, block.size);
  }

 private:
  std::vector<double> t_;
  std::vector<Gram> grams_;
  std::vector<std::array<T, 2>> factors_;
  std::vector<bool> normalize_;
  bool whole_model_ = false, reduced_ = false;
};

Outline outline(const MergeTensor& tensor) {
  const Settings& settings = tensor.settings;
  const double t = settings.number("t");
  Outline outline = Outline::of_all(1, 2);
  // One angle of the whole model also counts the tensors that t leaves where they are.
  outline.whole_model = settings.choice("scope") == "model";
  if (outline.whole_model) return outline;
  if (t == 0) return Outline::copy_of(Outline::kCopyBase, 1, "t = 0: the base is copied");
  if (t == 1) return Outline::copy_of(0, 1, "t = 1: the model is copied");
  return outline;
}

}  // namespace

extern const Descriptor slerp;
const Descriptor slerp = {
    .name = "slerp",
    .title = "SLERP",
    .summary = "Moves from the base to one other model along the arc between them.",
    .formula =
        "y = [sin((1-t)a) x0 + sin(t a) x1] / sin a,  cos a = x0.x1 / (|x0| |x1|);  "
        "|cos a| > 0.9995: y = (1-t) x0 + t x1",
    .paper = "Shoemake 1985, Animating rotation with quaternion curves",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters =
        {{.name = "t", .summary = "Position on the arc: 0 is the base, 1 the other model."},
         {.name = "scope",
          .summary = "Take the angle of each tensor, or one angle of the whole flattened model.",
          .type = ParameterType::choice,
          .fallback = Value{"tensor"},
          .choices = {"tensor", "model"},
          .constant = true},
         {.name = "normalize",
          .summary =
              "Interpolate unit vectors and restore the norm (1-t)|x0| + t|x1|, instead of the "
              "vectors as they are.",
          .type = ParameterType::flag,
          .fallback = Value{false}}},
    .outline = outline,
    .make_f32 = make_merger<Slerp, float>,
    .make_f64 = make_merger<Slerp, double>,
};

}  // namespace merganser::methods
