// Adds the difference where A and B are unlike, and averages them where they are alike.
#include <cmath>
#include <vector>

#include "methods/parts/add_to_first.h"

namespace merganser::methods {
namespace {

// From 0, opposite and of equal size, to 1, equal. Two zeros are equal.
template <class T>
T similarity(T a, T b) {
  const T larger = std::abs(a) < std::abs(b) ? std::abs(b) : std::abs(a);
  // Quotients first: the square of a tiny number would underflow.
  const T product = (a / larger) * (b / larger);
  const T share = (product + 1) / 2;
  return share == share ? share : T{1};
}

template <class T>
class SimilarityAddDifference final : public Merger<T> {
 public:
  explicit SimilarityAddDifference(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      const double alpha = tensor.settings.number("alpha");
      factors_.push_back({static_cast<T>(alpha), static_cast<T>(1 - alpha / 2),
                          static_cast<T>(alpha / 2),
                          static_cast<T>(tensor.settings.number("beta"))});
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const auto [alpha, of_a, of_b, beta] = factors_[block.tensor];
    const T *a = block.inputs[kA], *b = block.inputs[kB], *c = block.base;
    for (std::size_t i = 0; i < block.size; ++i) {
      const T s = beta * similarity(a[i], b[i]);
      const T added = a[i] + alpha * (b[i] - c[i]), mean = of_a * a[i] + of_b * b[i];
      out[i] = (1 - s) * added + s * mean;
    }
  }

 private:
  struct Factors {
    T alpha, of_a, of_b, beta;
  };
  std::vector<Factors> factors_;
};

Outline outline(const MergeTensor& tensor) { return add_to_first_outline(tensor, 1); }

}  // namespace

extern const Descriptor similarity_add_difference;
const Descriptor similarity_add_difference = {
    .name = "similarity_add_difference",
    .title = "Similarity add difference",
    .summary =
        "Adds to the first model what the second one has over the base where the two are unlike, "
        "and moves towards the second where they are alike: models: [A, B], base_model: C.",
    .formula =
        "y = (1-s) (A + alpha (B-C)) + s ((1 - alpha/2) A + alpha/2 B),  "
        "s = beta (A B / max(|A|, |B|)^2 + 1) / 2, beta for 0/0",
    .paper = "meh (s1dlx), similarity_add_difference",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = {{.name = "alpha",
                    .summary = "Factor of the difference; half of it is the second model's share "
                               "where the two are alike."},
                   {.name = "beta", .summary = "How much likeness counts; 0: add_difference."}},
    .outline = outline,
    .make_f32 = make_merger<SimilarityAddDifference, float>,
    .make_f64 = make_merger<SimilarityAddDifference, double>,
};

}  // namespace merganser::methods
