// Select, calculate, erase (Wan et al. 2024, FuseChat): the positions where models differ most, a
// weight for each model by the size of its changes, and only changes that agree in sign.
#include <algorithm>
#include <numeric>

#include "kernels/blend.h"
#include "kernels/consensus.h"
#include "kernels/reduce.h"
#include "kernels/variance.h"
#include "method/descriptor.h"
#include "methods/parts/block_sums.h"
#include "methods/parts/selections.h"
#include "methods/parts/task_vectors.h"

namespace merganser::methods {
namespace {

constexpr double kTinyWeight = 1e-6;  // MergeKit: agreeing weights of a smaller sum divide as this

template <class T>
class Sce final : public Merger<T> {
 public:
  using Pass = typename Merger<T>::Pass;
  using TiesLeft = typename Selections<T>::TiesLeft;

  // A group of one tensor: the outline asks for no other.
  explicit Sce(const MergeGroup& group) : size_(group.tensors[0].size) {
    const Settings& settings = group.tensors[0].settings;
    topk_ = settings.number("select_topk");
    equal_below_ = settings.number("equal_below");
    squares_.resize(settings.per_input.size());
    if (topk_ >= 1) return;
    selection_.add({{size_}, share(size_)});
    selects_ = true;
  }

  std::optional<Pass> next_pass() const override {
    if (const auto pass = selection_.next_pass()) return pass;
    if (!weighed_) return Pass::full;
    return std::nullopt;
  }

  std::unique_ptr<Partial> partial(std::size_t) const override {
    if (selecting()) return std::make_unique<Spread>(selection_);
    return std::make_unique<Squares>(squares_.size());
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    if (selecting()) {
      auto& spread = static_cast<Spread&>(partial);
      spread.seen += block.size;
      spread.nonzero += variance<T>(block.inputs, block.inputs[0], block.size);
      selection_.look(0, block.inputs[0], block.size, spread);
      return;
    }
    auto& squares = static_cast<Squares&>(partial);
    if (!squares.ties) squares.ties = selection_.cursor(block.tensor, block.chunk);
    select(block, *squares.ties);
    double* row = squares.sums.append();
    for (std::size_t i = 0; i < squares_.size(); ++i) {
      row[i] = dot<T>(block.inputs[i], block.inputs[i], block.size);
    }
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    if (!selecting()) {
      for (const auto& chunk : chunks) static_cast<const Squares&>(*chunk).sums.add_to(squares_);
      return;
    }
    std::uint64_t seen = 0, nonzero = 0;
    for (const auto& chunk : chunks) {
      seen += static_cast<const Spread&>(*chunk).seen;
      nonzero += static_cast<const Spread&>(*chunk).nonzero;
    }
    selection_.fold(tensor, chunks);
    // The share is of the positions that differ at all. A full pass has seen them all.
    const bool sampled = selection_.next_pass() == Pass::sample;
    const double whole = sampled ? static_cast<double>(size_) / static_cast<double>(seen) : 1;
    const std::uint64_t keep =
        share(static_cast<std::uint64_t>(static_cast<double>(nonzero) * whole));
    selection_[0].set_keep(sampled ? std::clamp<std::uint64_t>(keep, 1, size_ - 1) : keep);
    if (!sampled) kept_ = keep;
  }

  void end_pass() override {
    if (selecting()) return selection_.end_pass();
    const auto count = static_cast<double>(squares_.size());
    const double total = std::accumulate(squares_.begin(), squares_.end(), 0.0);
    const bool equal =
        size_ == 0 || total == 0 || total / static_cast<double>(size_) < equal_below_;
    for (double& w : squares_) w = equal ? 1 / count : w / total;
    weights_.assign(squares_.begin(), squares_.end());
    weighed_ = true;
  }

  std::unique_ptr<Cursor> cursor(std::size_t tensor, std::size_t chunk) const override {
    return selection_.cursor(tensor, chunk);
  }

  void write(const Block<T>& block, Cursor* cursor, T* out) const override {
    select(block, static_cast<TiesLeft&>(*cursor));
    weighted_consensus<T>(block.inputs, weights_, static_cast<T>(kTinyWeight), out, block.size);
    add<T>(block.base, out, out, block.size);
  }

  std::vector<Fact> facts(std::size_t) const override {
    std::vector<Fact> facts = {{"weights", squares_}};
    if (selects_) {
      facts.push_back({"selected", {static_cast<double>(kept_) / static_cast<double>(size_)}});
    }
    return facts;
  }

 private:
  struct Spread final : Selections<T>::Findings {
    using Selections<T>::Findings::Findings;
    std::uint64_t seen = 0, nonzero = 0;
  };
  struct Squares final : Partial {
    explicit Squares(std::size_t models) : sums(models) {}
    BlockSums sums;
    std::unique_ptr<TiesLeft> ties;
  };

  bool selecting() const { return selection_.next_pass().has_value(); }
  std::uint64_t share(std::uint64_t of) const {
    return static_cast<std::uint64_t>(static_cast<double>(of) * topk_);
  }

  // Zeroes the changes at positions that are not selected.
  void select(const Block<T>& block, TiesLeft& ties) const {
    if (!selects_) return;
    T spread[kBlock];
    variance<T>(block.inputs, spread, block.size);
    selection_.trim(0, spread, block.size, ties);
    for (T* x : block.inputs) {
      for (std::size_t j = 0; j < block.size; ++j) x[j] = spread[j] != 0 ? x[j] : 0;
    }
  }

  std::uint64_t size_, kept_ = 0;
  double topk_ = 1, equal_below_ = 0;
  Selections<T> selection_;      // by the variance over the models; none for everything
  std::vector<double> squares_;  // sums of squared changes, then the weights
  std::vector<T> weights_;
  bool selects_ = false, weighed_ = false;
};

Outline outline(const MergeTensor& tensor) {
  const std::size_t models = tensor.settings.per_input.size();
  const double topk = tensor.settings.number("select_topk");
  const auto base = [&](std::string why) {
    return Outline::copy_of(Outline::kCopyBase, models, why + ": the base is copied");
  };
  if (topk < 1 && models == 1) return base("one model differs from no other (select_topk)");
  if (static_cast<double>(tensor.size) * topk < 1 && topk < 1) return base("select_topk is 0 here");
  if (models == 1) return Outline::copy_of(0, 1, "one model: copied");
  return Outline::of_all(models, topk < 1 ? 3 : 2);
}

}  // namespace

extern const Descriptor sce;
const Descriptor sce = {
    .name = "sce",
    .title = "SCE",
    .summary =
        "Selects the positions where the models differ most, weighs each model by the size of its "
        "changes, and erases those against the majority's sign.",
    .formula =
        "d_i = x_i - b, 0 outside the select_topk largest variances over i;  "
        "w_i = |d_i|^2 / sum_k |d_k|^2;  s = sign(sum_i d_i);  "
        "y = b + sum_{sign(d_i) = s} w_i d_i / sum_{same} w_i",
    .paper = "Wan et al. 2024, FuseChat, arXiv 2408.07990",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters =
        {{.name = "select_topk",
          .summary = "Share of the positions with any variance that is kept, the largest first.",
          .fallback = Value{1.0},
          .low = 0,
          .high = 1},
         {.name = "equal_below",
          .summary =
              "All models weigh the same in tensors whose mean squared changes add up to less: "
              "1e-6 in MergeKit, which most fine-tunes are below, 0 in the paper.",
          .fallback = Value{1e-6},
          .low = 0},
         int8_mask_parameter()},
    .outline = outline,
    .make_f32 = make_merger<Sce, float>,
    .make_f64 = make_merger<Sce, double>,
};

}  // namespace merganser::methods
