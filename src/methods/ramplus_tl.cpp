// Reinforced agent merging plus, tensor-local: as ram, and changes that only one model made grow
// with the share of its changes that others make, too.
#include <algorithm>
#include <limits>

#include "kernels/blend.h"
#include "kernels/overlap.h"
#include "method/descriptor.h"
#include "methods/parts/overlap.h"

namespace merganser::methods {
namespace {

// Shared positions for each that is the model's alone; the limit where it has none.
double shared_ratio(const Overlap& overlap, double epsilon) {
  if (overlap.shared == 0) return 0;
  const double alone = std::max(static_cast<double>(overlap.alone), epsilon);
  return alone > 0 ? static_cast<double>(overlap.shared) / alone
                   : std::numeric_limits<double>::max();
}

template <class T>
class RamPlus final : public Merger<T> {
 public:
  explicit RamPlus(const MergeGroup& group) {
    for (const MergeTensor& tensor : group.tensors) {
      const Settings& settings = tensor.settings;
      const std::size_t models = settings.per_input.size();
      tensors_.push_back({settings.number("epsilon"), settings.number("r"),
                          settings.number("alpha"), std::vector<Overlap>(models),
                          std::vector<double>(models), std::vector<T>(models)});
    }
  }

  std::optional<typename Merger<T>::Pass> next_pass() const override {
    if (counted_) return std::nullopt;
    return Merger<T>::Pass::full;
  }

  std::unique_ptr<Partial> partial(std::size_t tensor) const override {
    return std::make_unique<Counts>(tensors_[tensor].overlaps.size());
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    count_overlap<T>(block.inputs, static_cast<T>(tensors_[block.tensor].epsilon),
                     static_cast<Counts&>(partial).overlaps, block.size);
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    std::vector<Overlap>& overlaps = tensors_[tensor].overlaps;
    for (const auto& chunk : chunks) {
      for (std::size_t i = 0; i < overlaps.size(); ++i) {
        overlaps[i].alone += static_cast<const Counts&>(*chunk).overlaps[i].alone;
        overlaps[i].shared += static_cast<const Counts&>(*chunk).overlaps[i].shared;
      }
    }
  }

  void end_pass() override {
    for (Tensor& tensor : tensors_) {
      for (std::size_t i = 0; i < tensor.overlaps.size(); ++i) {
        tensor.rho[i] = shared_ratio(tensor.overlaps[i], tensor.epsilon);
        tensor.boost[i] = static_cast<T>(1 + tensor.r * std::min(tensor.rho[i], tensor.alpha));
      }
    }
    counted_ = true;
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const Tensor& tensor = tensors_[block.tensor];
    merge_overlapping<T>(block.inputs, tensor.boost, static_cast<T>(tensor.epsilon), out,
                         block.size);
    add<T>(block.base, out, out, block.size);
  }

  std::vector<Fact> facts(std::size_t tensor) const override {
    return {{"rho", tensors_[tensor].rho}};
  }

 private:
  struct Counts final : Partial {
    explicit Counts(std::size_t models) : overlaps(models) {}
    std::vector<Overlap> overlaps;
  };
  struct Tensor {
    double epsilon, r, alpha;
    std::vector<Overlap> overlaps;
    std::vector<double> rho;
    std::vector<T> boost;
  };

  std::vector<Tensor> tensors_;
  bool counted_ = false;
};

}  // namespace

extern const Descriptor ramplus_tl;
const Descriptor ramplus_tl = {
    .name = "ramplus_tl",
    .title = "RAM+ (tensor-local)",
    .summary =
        "As ram, and amplifies the changes that only one model makes, the more of its changes are "
        "shared.",
    .formula =
        "rho_i = |shared_i| / |alone_i|, positions of one tensor;  l_i = 1 + r min(rho_i, alpha);  "
        "y = b + l_i d_i where only i has |d_i| > epsilon, else as ram",
    .paper = "Reinforced Agent Merging, arXiv 2601.13572",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = {{.name = "r",
                    .summary = "How much the ratio of shared changes amplifies.",
                    .fallback = Value{0.1}},
                   {.name = "alpha",
                    .summary = "Largest ratio that counts.",
                    .fallback = Value{0.2},
                    .low = 0},
                   epsilon_parameter()},
    .outline =
        [](const MergeTensor& tensor) {
          return Outline::of_all(tensor.settings.per_input.size(), 2);
        },
    .make_f32 = make_merger<RamPlus, float>,
    .make_f64 = make_merger<RamPlus, double>,
};

}  // namespace merganser::methods
