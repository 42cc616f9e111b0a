#include "analyze/elements.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "analyze/change_reader.h"
#include "analyze/magnitude_rank.h"
#include "analyze/work.h"
#include "base/error.h"
#include "kernels/reduce.h"

namespace merganser {
namespace {

constexpr std::size_t kBlock = 4096;                      // elements a sum is taken over
constexpr std::size_t kPiece = std::size_t{32} * kBlock;  // elements read at once

// Collected by a MagnitudeRank: fewer than its counts take save nothing, more than this no time.
constexpr std::uint64_t kFewest = std::uint64_t{1} << 16, kMost = std::uint64_t{1} << 21;

std::uint64_t collected(std::uint64_t memory, unsigned threads, std::size_t models) {
  const std::uint64_t searches = std::max<std::uint64_t>(1, std::uint64_t{threads} * models);
  return std::clamp(memory / searches / sizeof(double), kFewest, kMost);
}

[[noreturn]] void refuse(const PlanModel& model, std::size_t tensor, std::size_t count) {
  throw Error(ErrorKind::corrupt, fmt::format("holds NaN or Inf (at least {} elements)", count))
      .in_file(model.path.string())
      .in_tensor(model.headers()[tensor].name)
      .hint("mend the checkpoint: nothing can be said of its changes");
}

bool opposed(double a, double b) { return (a < 0 && b > 0) || (a > 0 && b < 0); }

// The passes over one tensor.
class TensorPasses {
 public:
  TensorPasses(const AnalysisInputs& inputs, const AnalysedTensor& tensor, double top_share,
               std::uint64_t collected, Progress& progress)
      : inputs_(inputs),
        tensor_(tensor),
        progress_(progress),
        base_(inputs.plan, tensor.base),
        size_(tensor.size()) {
    for (std::size_t i = 0; i < inputs.models(); ++i) {
      readers_.emplace_back(inputs, tensor, i);
      const double wanted = std::ceil(top_share * static_cast<double>(size_));
      ranks_.emplace_back(std::min(size_, static_cast<std::uint64_t>(wanted)), collected);
      buffers_.emplace_back(kPiece);
    }
    figures_.changes.resize(inputs.models());
    figures_.pairs.resize(inputs.pairs());
  }

  TensorFigures run() {
    each_block([this](std::span<const double> base, std::size_t first, std::size_t count) {
      add(base, first, count);
    });
    progress_.advance(inputs_.bytes(tensor_));
    if (figures_.pairs.empty()) return std::move(figures_);
    for (MagnitudeRank& rank : ranks_) rank.end_pass();
    while (!std::ranges::all_of(ranks_, &MagnitudeRank::done)) {
      each_block([this](std::span<const double>, std::size_t first, std::size_t count) {
        for (std::size_t i = 0; i < ranks_.size(); ++i) ranks_[i].look(&buffers_[i][first], count);
      });
      for (MagnitudeRank& rank : ranks_) {
        if (!rank.done()) rank.end_pass();
      }
    }
    progress_.advance(inputs_.bytes(tensor_));
    each_block([this](std::span<const double>, std::size_t first, std::size_t count) {
      add_top(first, count);
    });
    progress_.advance(inputs_.bytes(tensor_));
    return std::move(figures_);
  }

 private:
  // act(base's elements, where they begin in the buffers, how many)
  template <class Act>
  void each_block(Act act) {
    std::vector<double> base;
    for (std::uint64_t first = 0; first < size_; first += kPiece) {
      if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
      base.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size_ - first)));
      base_.read(first, base);
      for (std::size_t i = 0; i < readers_.size(); ++i) {
        readers_[i].read(first, base, std::span(buffers_[i]).first(base.size()));
      }
      for (std::size_t begin = 0; begin < base.size(); begin += kBlock) {
        const std::size_t count = std::min(kBlock, base.size() - begin);
        act(std::span<const double>(base).subspan(begin, count), begin, count);
      }
    }
  }

  void add(std::span<const double> base, std::size_t first, std::size_t count) {
    const std::size_t bad = count_nonfinite<double>(base.data(), count);
    if (bad > 0) refuse(inputs_.plan.models[0], tensor_.base.tensor, bad);
    figures_.base_squared += dot<double>(base.data(), base.data(), count);
    std::size_t pair = 0;
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      const double* d = &buffers_[i][first];
      const std::size_t wrong = count_nonfinite<double>(d, count);
      const PlanInput& input = tensor_.models[i];
      if (wrong > 0) refuse(inputs_.plan.models[input.model], input.tensor, wrong);
      ChangeSums& sums = figures_.changes[i];
      sums.squared += dot<double>(d, d, count);
      sums.base_dot += dot<double>(d, base.data(), count);
      double max = sums.max;
      std::size_t changed = 0;
      for (std::size_t j = 0; j < count; ++j) {
        max = std::max(max, std::abs(d[j]));
        changed += d[j] != 0;
      }
      sums.max = max;
      sums.changed += changed;
      if (!figures_.pairs.empty()) ranks_[i].look(d, count);
      for (std::size_t k = i + 1; k < buffers_.size(); ++k) {
        add_pair(d, &buffers_[k][first], count, figures_.pairs[pair++]);
      }
    }
  }

  static void add_pair(const double* a, const double* b, std::size_t count, PairSums& sums) {
    sums.dot += dot<double>(a, b, count);
    std::size_t both = 0, against = 0;
    for (std::size_t j = 0; j < count; ++j) {
      both += (a[j] != 0) & (b[j] != 0);
      against += ((a[j] < 0) & (b[j] > 0)) | ((a[j] > 0) & (b[j] < 0));
    }
    sums.both += both;
    sums.against += against;
  }

  void add_top(std::size_t first, std::size_t count) {
    std::size_t pair = 0;
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      for (std::size_t k = i + 1; k < buffers_.size(); ++k) {
        const double *a = &buffers_[i][first], *b = &buffers_[k][first];
        const double least_a = ranks_[i].value(), least_b = ranks_[k].value();
        std::size_t both = 0, either = 0, against = 0;
        for (std::size_t j = 0; j < count; ++j) {
          const bool in_a = (std::abs(a[j]) >= least_a) & (a[j] != 0);
          const bool in_b = (std::abs(b[j]) >= least_b) & (b[j] != 0);
          both += in_a & in_b;
          either += in_a | in_b;
          against += in_a & in_b & opposed(a[j], b[j]);
        }
        PairSums& sums = figures_.pairs[pair++];
        sums.both_top += both;
        sums.either_top += either;
        sums.against_top += against;
      }
    }
  }

  const AnalysisInputs& inputs_;
  const AnalysedTensor& tensor_;
  Progress& progress_;
  ValueReader base_;
  std::vector<ChangeReader> readers_;
  std::vector<MagnitudeRank> ranks_;
  std::vector<std::vector<double>> buffers_;  // of each fine-tune: the piece's changes
  std::uint64_t size_;
  TensorFigures figures_;
};

}  // namespace

std::vector<TensorFigures> compare_elements(const AnalysisInputs& inputs, double top_share,
                                            std::uint64_t memory, unsigned threads,
                                            Progress& progress) {
  std::vector<std::size_t> order(inputs.tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // The largest first, so that no thread is left alone with one at the end.
  std::ranges::stable_sort(order, std::greater<>(),
                           [&](std::size_t t) { return inputs.tensors[t].size(); });
  std::uint64_t bytes = 0;
  for (const AnalysedTensor& tensor : inputs.tensors) bytes += inputs.bytes(tensor);
  progress.begin(inputs.pairs() > 0 ? 3 * bytes : bytes);
  std::vector<TensorFigures> found(inputs.tensors.size());
  const std::uint64_t most = collected(memory, threads, inputs.models());
  for_each_of(order, threads, [&](std::size_t t) {
    found[t] = TensorPasses(inputs, inputs.tensors[t], top_share, most, progress).run();
  });
  return found;
}

}  // namespace merganser
