// Two differences from C as lengths: the root of their weighted squares, with the sign and the
// overall length of their weighted sum.
#include <array>
#include <cmath>
#include <vector>

#include "methods/parts/add_to_first.h"
#include "methods/parts/difference_products.h"

namespace merganser::methods {
namespace {

template <class T>
class EuclideanAddDifference final : public DifferenceProducts<T> {
 public:
  explicit EuclideanAddDifference(const MergeGroup& group) : DifferenceProducts<T>(group) {
    for (const MergeTensor& tensor : group.tensors) {
      alpha_.push_back(tensor.settings.number("alpha"));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const double alpha = alpha_[block.tensor];
    const Gram& products = this->products(block.tensor);
    const double length_a = products.norm(0), length_b = products.norm(1);
    // Of the normalised differences; their roots have the length sqrt(of_a + of_b), which needs no
    // pass of its own.
    const double of_a = length_a > 0 ? 1 - alpha : 0, of_b = length_b > 0 ? alpha : 0;
    const double wanted = products.norm(std::array<double, 2>{1 - alpha, alpha});
    const double scale = of_a + of_b > 0 ? wanted / std::sqrt(of_a + of_b) : 0;
    const auto per_length = [](double length) {
      return static_cast<T>(length > 0 ? 1 / length : 0);
    };
    const T unit_a = per_length(length_a), unit_b = per_length(length_b);
    const T share_a = static_cast<T>(1 - alpha), share_b = static_cast<T>(alpha);
    const T factor = static_cast<T>(scale);
    const T *a = block.inputs[kA], *b = block.inputs[kB], *c = block.base;
    for (std::size_t i = 0; i < block.size; ++i) {
      const T da = a[i] - c[i], db = b[i] - c[i];
      const T ua = da * unit_a, ub = db * unit_b;
      const T root = std::sqrt(share_a * (ua * ua) + share_b * (ub * ub));
      out[i] = c[i] + factor * std::copysign(root, share_a * da + share_b * db);
    }
  }

 private:
  std::vector<double> alpha_;
};

Outline outline(const MergeTensor& tensor) {
  const double alpha = tensor.settings.number("alpha");
  if (alpha == 0) return Outline::copy_of(kA, 2, "alpha = 0: the first model is copied");
  if (alpha == 1) return Outline::copy_of(kB, 2, "alpha = 1: the second model is copied");
  return Outline::of_all(2, 2);
}

}  // namespace

extern const Descriptor euclidean_add_difference;
const Descriptor euclidean_add_difference = {
    .name = "euclidean_add_difference",
    .title = "Euclidean add difference",
    .summary =
        "Adds to the base the root of the weighted squares of two models' differences from it, "
        "with the signs and the length of their weighted sum: models: [A, B], base_model: C.",
    .formula =
        "y = C + sign(s) r |s| / |r|,  s = (1-alpha) a + alpha b,  r = sqrt((1-alpha) (a/|a|)^2 + "
        "alpha (b/|b|)^2),  a = A - C, b = B - C",
    .paper = "meh (s1dlx), euclidean_add_difference",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = {{.name = "alpha", .summary = "Share of the second model.", .low = 0, .high = 1}},
    .outline = outline,
    .make_f32 = make_merger<EuclideanAddDifference, float>,
    .make_f64 = make_merger<EuclideanAddDifference, double>,
};

}  // namespace merganser::methods
