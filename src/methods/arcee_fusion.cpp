// Takes the model's weights where their change is important: large, in a row that became another
// distribution (Arcee Fusion).
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "kernels/softmax.h"
#include "method/descriptor.h"
#include "methods/parts/selections.h"

namespace merganser::methods {
namespace {

constexpr double kLeast = 1e-8;  // MergeKit: added to the shares of a softmax
constexpr std::uint64_t kSample = std::uint64_t{1} << 14;
// Divergences of rows that are kept after the first pass: at most 8 MiB. They cost more than all
// else.
constexpr std::uint64_t kKeptRows = std::uint64_t{1} << 20;

// The first pass takes along every stride-th importance, about kSample. Where those are all, no
// further pass is needed. Odd: not the same columns of every row.
std::uint64_t stride(std::uint64_t size) { return (size / kSample) | 1; }

std::uint64_t rows_of(const MergeTensor& tensor) {
  return tensor.size / std::max<std::size_t>(1, row_size(tensor.shape));
}

template <class T>
class ArceeFusion final : public Merger<T> {
 public:
  using Pass = typename Merger<T>::Pass;
  using Findings = typename Selections<T>::Findings;

  // A group of one tensor: the outline asks for no other.
  explicit ArceeFusion(const MergeGroup& group)
      : size_(group.tensors[0].size),
        row_(row_size(group.tensors[0].shape)),
        stride_(stride(size_)),
        keeps_rows_(rows_of(group.tensors[0]) <= kKeptRows) {
    for (const std::size_t quarter : {1, 2, 3}) {
      selections_.add({{size_}, size_ - std::min(size_, rank(quarter))});
    }
  }

  std::optional<Pass> next_pass() const override {
    if (settled_) return std::nullopt;
    return Pass::full;
  }

  std::unique_ptr<Partial> partial(std::size_t) const override {
    if (!looked_) return std::make_unique<FirstLook>();
    return std::make_unique<Findings>(selections_);
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    if (!looked_) {
      auto& look = static_cast<FirstLook&>(partial);
      for (std::size_t at = 0; at < block.size; at += row_) {
        const T divergence = divergence_of(block, at);
        if (keeps_rows_) look.divergences.push_back(divergence);
        std::size_t j =
            static_cast<std::size_t>((stride_ - (block.first + at) % stride_) % stride_);
        for (; j < row_; j += stride_) {
          look.sample.push_back(
              importance(block.inputs[0][at + j], block.base[at + j], divergence));
        }
      }
      return;
    }
    T* x = block.inputs[0];
    each_row(block, [&](std::size_t at, T divergence) {
      for (std::size_t j = at; j < at + row_; ++j) {
        x[j] = importance(x[j], block.base[j], divergence);
      }
    });
    for (std::size_t i = 0; i < selections_.size(); ++i) {
      selections_.look(i, x, block.size, static_cast<Findings&>(partial));
    }
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    if (looked_) return selections_.fold(tensor, chunks);
    for (const auto& chunk : chunks) {
      const auto& look = static_cast<const FirstLook&>(*chunk);
      divergences_.insert(divergences_.end(), look.divergences.begin(), look.divergences.end());
      sample_.insert(sample_.end(), look.sample.begin(), look.sample.end());
    }
  }

  void end_pass() override {
    if (!looked_ && stride_ == 1) return settle_sample();
    if (!looked_) fold_sample();
    looked_ = true;
    selections_.end_pass();
    if (selections_.next_pass()) return;
    settle({selections_[0].threshold(), selections_[1].threshold(), selections_[2].threshold()});
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const T* x = block.inputs[0];
    std::uint64_t taken = 0;
    each_row(block, [&](std::size_t at, T divergence) {
      for (std::size_t j = at; j < at + row_; ++j) {
        const bool takes = importance(x[j], block.base[j], divergence) >= threshold_;
        out[j] = takes ? x[j] : block.base[j];
        taken += takes;
      }
    });
    taken_.fetch_add(taken, std::memory_order_relaxed);
  }

  std::vector<Fact> facts(std::size_t) const override {
    const auto taken = static_cast<double>(taken_.load());
    return {{"threshold", {threshold_}},
            {"taken", {size_ == 0 ? 0 : taken / static_cast<double>(size_)}}};
  }

 private:
  struct FirstLook final : Partial {
    std::vector<T> divergences, sample;
  };

  // Of the lower quartile, the median, the upper quartile, in ascending order: MergeKit's rule.
  std::uint64_t rank(std::size_t quarter) const {
    const double last = size_ == 0 ? 0 : static_cast<double>(size_ - 1);
    return static_cast<std::uint64_t>(static_cast<double>(quarter) / 4 * last);
  }

  static T importance(T x, T base, T divergence) { return std::abs(x - base) * divergence; }

  // Exactly it is never below 0; NaN stays.
  T divergence_of(const Block<T>& block, std::size_t at) const {
    const double exact = softmax_divergence<T>(block.inputs[0] + at, block.base + at, row_, kLeast);
    return static_cast<T>(exact < 0 ? 0 : exact);
  }

  template <class Act>
  void each_row(const Block<T>& block, Act act) const {
    auto row = static_cast<std::size_t>(block.first / std::max<std::size_t>(1, row_));
    for (std::size_t at = 0; at < block.size; at += row_, ++row) {
      act(at, keeps_rows_ ? divergences_[row] : divergence_of(block, at));
    }
  }

  // The sample is everything.
  void settle_sample() {
    std::sort(sample_.begin(), sample_.end(), [](T a, T b) {
      return std::isnan(b) ? !std::isnan(a) : a < b;  // NaN last, as in a selection
    });
    if (sample_.empty()) return settle({0, 0, 0});
    settle({sample_[rank(1)], sample_[rank(2)], sample_[rank(3)]});
  }

  // What a sample pass would have shown to the selections.
  void fold_sample() {
    auto findings = std::make_unique<Findings>(selections_);
    for (std::size_t i = 0; i < selections_.size(); ++i) {
      selections_.look(i, sample_.data(), sample_.size(), *findings);
    }
    const std::unique_ptr<Partial> chunk = std::move(findings);
    selections_.fold(0, {&chunk, 1});
    sample_ = {};
  }

  void settle(const std::array<double, 3>& quartiles) {
    settled_ = true;
    threshold_ = quartiles[1] + 1.5 * (quartiles[2] - quartiles[0]);
  }

  std::uint64_t size_;
  std::size_t row_;
  std::uint64_t stride_;
  bool keeps_rows_;
  bool looked_ = false, settled_ = false;
  std::vector<T> divergences_, sample_;  // by row; importances of every stride_-th element
  Selections<T> selections_;             // the quartiles of the importances
  double threshold_ = 0;
  mutable std::atomic<std::uint64_t> taken_ = 0;  // a count for facts(), not part of the result
};

Outline outline(const MergeTensor& tensor) {
  if (row_size(tensor.shape) == 1) {
    return Outline::copy_of(0, 1, "rows of one element are equally important: the model is copied");
  }
  Outline outline = Outline::of_all(1, stride(tensor.size) == 1 ? 2 : 3);
  outline.unit = Unit::row;
  if (rows_of(tensor) <= kKeptRows) outline.workspace = rows_of(tensor) * sizeof(double);
  return outline;
}

}  // namespace

extern const Descriptor arcee_fusion;
const Descriptor arcee_fusion = {
    .name = "arcee_fusion",
    .title = "Arcee Fusion",
    .summary =
        "Takes the model's weights where they changed most, in rows whose softmax changed most, "
        "and keeps the base's elsewhere.",
    .formula =
        "p = softmax(x) + 1e-8, q = softmax(b) + 1e-8, by rows;  s = |x - b| sum p ln(p/q);  "
        "y = x where s >= median(s) + 1.5 (Q3(s) - Q1(s)), else b",
    .paper = "Arcee AI, arcee.ai (MergeKit)",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters = {},
    .outline = outline,
    .make_f32 = make_merger<ArceeFusion, float>,
    .make_f64 = make_merger<ArceeFusion, double>,
};

}  // namespace merganser::methods
