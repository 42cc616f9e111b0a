// Spherical linear interpolation (Shoemake 1985) between the base and one other model.
#include <algorithm>
#include <cmath>

#include "method/descriptor.h"
#include "methods/parts/gram.h"

namespace merganser::methods {
namespace {

constexpr double kTinyNorm = 1e-8;      // below it a vector has no direction
constexpr double kNearlyLine = 0.9995;  // |cos| above it: the arc is a line within rounding

// Factors of the unnormalised base and model.
std::vector<double> factors(const Gram& gram, double t, bool normalize) {
  const double n0 = gram.norm(0), n1 = gram.norm(1);
  const double unit0 = n0 > kTinyNorm ? n0 : 1, unit1 = n1 > kTinyNorm ? n1 : 1;
  const double cosine = std::clamp(gram(0, 1) / (unit0 * unit1), -1.0, 1.0);
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

bool of_whole_model(const Settings& settings) { return settings.choice("scope") == "model"; }

template <class T>
class Slerp final : public GramMerger<T> {
 public:
  explicit Slerp(const MergeGroup& group)
      : GramMerger<T>(group, GramMerger<T>::Base::vector,
                      of_whole_model(group.tensors[0].settings)) {
    for (const MergeTensor& tensor : group.tensors) {
      t_.push_back(tensor.settings.number("t"));
      normalize_.push_back(tensor.settings.flag("normalize"));
    }
  }

 protected:
  std::vector<double> coefficients(std::size_t tensor, const Gram& gram) override {
    return factors(gram, t_[tensor], normalize_[tensor]);
  }

 private:
  std::vector<double> t_;
  std::vector<bool> normalize_;
};

Outline outline(const MergeTensor& tensor) {
  const Settings& settings = tensor.settings;
  const double t = settings.number("t");
  Outline outline = Outline::of_all(1, 2);
  // One angle of the whole model also counts the tensors that t leaves where they are.
  outline.whole_model = of_whole_model(settings);
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
