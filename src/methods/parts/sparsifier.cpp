#include "methods/parts/sparsifier.h"

#include <algorithm>
#include <string>

#include "base/hash.h"
#include "base/random.h"
#include "kernels/dropout.h"
#include "methods/parts/magnitude_selection.h"

namespace merganser::methods {
namespace {

template <class T>
class KeepAll final : public Sparsifier<T> {
 public:
  bool drops(std::size_t) const override { return false; }
};

template <class T>
class TrimByMagnitude final : public Sparsifier<T> {
 public:
  using Pass = typename Sparsifier<T>::Pass;
  using Selection = MagnitudeSelection<T>;

  explicit TrimByMagnitude(const MergeGroup& group) {
    const std::size_t inputs = group.tensors[0].settings.per_input.size();
    for (std::size_t i = 0; i < inputs; ++i) {
      std::vector<std::uint64_t> sizes;
      std::uint64_t total = 0;
      for (const MergeTensor& tensor : group.tensors) {
        sizes.push_back(tensor.size);
        total += tensor.size;
      }
      const double density = group.tensors[0].settings.number("density", i);
      selections_.emplace_back(std::move(sizes), kept_elements(density, total));
      drops_ |= density < 1;
    }
  }

  std::optional<Pass> next_pass() const override {
    // Selections advance together: a sample first, then full passes until the last one is settled.
    std::optional<Pass> wanted;
    for (const Selection& selection : selections_) {
      const auto pass = selection.next_pass();
      if (pass == Pass::full) return pass;
      if (pass) wanted = pass;
    }
    return wanted;
  }

  std::unique_ptr<Partial> partial(std::size_t) const override {
    return std::make_unique<ChunkFindings>(selections_.size());
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    auto& findings = static_cast<ChunkFindings&>(partial);
    for (std::size_t i = 0; i < selections_.size(); ++i) {
      if (selections_[i].next_pass()) {
        selections_[i].look(block.inputs[i], block.size, findings.found[i]);
      }
    }
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    for (std::size_t i = 0; i < selections_.size(); ++i) {
      if (!selections_[i].next_pass()) continue;
      std::vector<typename Selection::Found> found;
      for (const auto& chunk : chunks) {
        found.push_back(std::move(static_cast<ChunkFindings&>(*chunk).found[i]));
      }
      selections_[i].fold(tensor, std::move(found));
    }
  }

  void end_pass() override {
    for (Selection& selection : selections_) selection.end_pass();
  }

  bool drops(std::size_t) const override { return drops_; }

  std::unique_ptr<Cursor> cursor(std::size_t tensor, std::size_t chunk) const override {
    auto cursor = std::make_unique<TiesLeft>();
    for (const Selection& selection : selections_) {
      cursor->left.push_back(selection.ties_kept(tensor, chunk));
    }
    return cursor;
  }

  void apply(const Block<T>& block, Cursor* cursor) const override {
    auto& left = static_cast<TiesLeft*>(cursor)->left;
    for (std::size_t i = 0; i < selections_.size(); ++i) {
      const std::size_t met =
          trim<T>(block.inputs[i], block.size, selections_[i].threshold(), left[i]);
      left[i] -= std::min(left[i], met);
    }
  }

 private:
  struct ChunkFindings final : Partial {
    explicit ChunkFindings(std::size_t inputs) : found(inputs) {}
    std::vector<typename Selection::Found> found;
  };
  struct TiesLeft final : Cursor {
    std::vector<std::size_t> left;
  };

  std::vector<Selection> selections_;
  bool drops_ = false;
};

template <class T>
class DropAtRandom final : public Sparsifier<T> {
 public:
  explicit DropAtRandom(const MergeGroup& group) {
    for (const MergeTensor& tensor : group.tensors) {
      std::vector<Draw>& draws = draws_.emplace_back();
      for (std::size_t i = 0; i < tensor.settings.per_input.size(); ++i) {
        const std::uint64_t stream = hash64(tensor.name + '\n' + std::to_string(tensor.models[i]));
        draws.push_back({{group.seed, stream}, keep_threshold(tensor.settings.number("density", i))});
      }
    }
  }

  void apply(const Block<T>& block, Cursor*) const override {
    const std::vector<Draw>& draws = draws_[block.tensor];
    for (std::size_t i = 0; i < draws.size(); ++i) {
      drop<T>(block.inputs[i], block.size, draws[i].stream, block.first, draws[i].threshold);
    }
  }

  bool drops(std::size_t tensor) const override {
    const auto keeps_all = [](const Draw& draw) { return draw.threshold == keep_threshold(1); };
    return !std::all_of(draws_[tensor].begin(), draws_[tensor].end(), keeps_all);
  }

 private:
  struct Draw {
    RandomStream stream;
    std::uint64_t threshold;
  };
  std::vector<std::vector<Draw>> draws_;
};

}  // namespace

template <class T>
std::unique_ptr<Sparsifier<T>> keep_all() {
  return std::make_unique<KeepAll<T>>();
}

template <class T>
std::unique_ptr<Sparsifier<T>> trim_by_magnitude(const MergeGroup& group) {
  return std::make_unique<TrimByMagnitude<T>>(group);
}

template <class T>
std::unique_ptr<Sparsifier<T>> drop_at_random(const MergeGroup& group) {
  return std::make_unique<DropAtRandom<T>>(group);
}

template std::unique_ptr<Sparsifier<float>> keep_all();
template std::unique_ptr<Sparsifier<double>> keep_all();
template std::unique_ptr<Sparsifier<float>> trim_by_magnitude(const MergeGroup&);
template std::unique_ptr<Sparsifier<double>> trim_by_magnitude(const MergeGroup&);
template std::unique_ptr<Sparsifier<float>> drop_at_random(const MergeGroup&);
template std::unique_ptr<Sparsifier<double>> drop_at_random(const MergeGroup&);

}  // namespace merganser::methods
