#include "methods/parts/sparsifier.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/hash.h"
#include "base/random.h"
#include "kernels/dropout.h"
#include "methods/parts/selections.h"

namespace merganser::methods {
namespace {

template <class T>
class KeepAll final : public Sparsifier<T> {
 public:
  bool drops(std::size_t) const override { return false; }
};

// Keeps a band of each input's magnitudes over the whole group.
template <class T>
class KeepBand final : public Sparsifier<T> {
 public:
  using Pass = typename Sparsifier<T>::Pass;
  using Findings = typename Selections<T>::Findings;
  using TiesLeft = typename Selections<T>::TiesLeft;

  KeepBand(const MergeGroup& group, const std::vector<Band>& bands) {
    std::vector<std::uint64_t> sizes;
    for (const MergeTensor& tensor : group.tensors) sizes.push_back(tensor.size);
    const std::uint64_t total = total_size(group);
    for (const Band& band : bands) {
      selections_.add({sizes, band.above + band.kept});
      selections_.add({sizes, band.above});
      cuts_.push_back(band.above != 0);
      drops_ |= band.kept < total;
    }
  }

  static std::uint64_t total_size(const MergeGroup& group) {
    std::uint64_t total = 0;
    for (const MergeTensor& tensor : group.tensors) total += tensor.size;
    return total;
  }

  std::optional<Pass> next_pass() const override { return selections_.next_pass(); }

  std::unique_ptr<Partial> partial(std::size_t) const override {
    return std::make_unique<Findings>(selections_);
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    for (std::size_t i = 0; i < selections_.size(); ++i) {
      selections_.look(i, block.inputs[i / 2], block.size, static_cast<Findings&>(partial));
    }
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    selections_.fold(tensor, chunks);
  }

  void end_pass() override { selections_.end_pass(); }

  bool drops(std::size_t) const override { return drops_; }

  std::unique_ptr<Cursor> cursor(std::size_t tensor, std::size_t chunk) const override {
    return selections_.cursor(tensor, chunk);
  }

  void apply(const Block<T>& block, Cursor* cursor) const override {
    auto& ties = static_cast<TiesLeft&>(*cursor);
    for (std::size_t i = 0; i < block.inputs.size(); ++i) {
      selections_.trim(2 * i, block.inputs[i], block.size, ties);
      // The top last: among equal magnitudes it is the first that go.
      if (cuts_[i]) selections_.trim_largest(2 * i + 1, block.inputs[i], block.size, ties);
    }
  }

 private:
  Selections<T> selections_;  // by input: down to the band's end, and what is above it
  std::vector<bool> cuts_;    // by input: whether anything is above
  bool drops_ = false;
};

// Masks of a tensor's inputs, kept from one pass to the next: drawing costs more than all else that
// is done to an element. Blocks do not share bytes, so threads do not meet.
class MaskCache {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{16} << 20;

  void allocate(std::size_t inputs, std::uint64_t size) {
    blocks_ = static_cast<std::size_t>((size + kBlock - 1) / kBlock);
    const std::uint64_t bytes = inputs * blocks_ * kBytes;
    if (bytes > kMaxBytes) return;  // drawn again in every pass
    bits_.resize(bytes);
    drawn_.resize(inputs * blocks_);
  }
  std::uint8_t* find(std::size_t input, std::uint64_t first) {
    return bits_.empty() ? nullptr : bits_.data() + index(input, first) * kBytes;
  }
  bool drawn(std::size_t input, std::uint64_t first) const {
    return !drawn_.empty() && drawn_[index(input, first)] != 0;
  }
  void set_drawn(std::size_t input, std::uint64_t first) { drawn_[index(input, first)] = 1; }

 private:
  static constexpr std::size_t kBytes = kBlock / 8;
  std::size_t index(std::size_t input, std::uint64_t first) const {
    return input * blocks_ + static_cast<std::size_t>(first / kBlock);
  }

  std::size_t blocks_ = 0;
  std::vector<std::uint8_t> bits_;
  std::vector<std::uint8_t> drawn_;  // by input and block; bytes, so that threads do not meet
};

template <class T>
class DropAtRandom final : public Sparsifier<T> {
 public:
  DropAtRandom(const MergeGroup& group, bool again) : masks_(group.tensors.size()) {
    for (const MergeTensor& tensor : group.tensors) {
      const std::size_t inputs = tensor.settings.per_input.size();
      if (again) masks_[draws_.size()].allocate(inputs, tensor.size);
      std::vector<Draw>& draws = draws_.emplace_back();
      for (std::size_t i = 0; i < inputs; ++i) {
        const std::uint64_t stream = hash64(tensor.name + '\n' + std::to_string(tensor.models[i]));
        draws.push_back(
            {{group.seed, stream}, keep_threshold(tensor.settings.number("density", i))});
      }
    }
  }

  void apply(const Block<T>& block, Cursor*) const override {
    const std::vector<Draw>& draws = draws_[block.tensor];
    for (std::size_t i = 0; i < draws.size(); ++i) {
      std::uint8_t bits[mask_bytes(kBlock)] = {};
      const std::size_t bytes = (block.size + 7) / 8;
      std::uint8_t* kept = masks_[block.tensor].find(i, block.first);
      if (masks_[block.tensor].drawn(i, block.first)) {
        std::memcpy(bits, kept, bytes);
      } else {
        keep_mask(bits, block.size, draws[i].stream, block.first, draws[i].threshold);
        if (kept != nullptr) {
          std::memcpy(kept, bits, bytes);
          masks_[block.tensor].set_drawn(i, block.first);
        }
      }
      apply_mask<T>(block.inputs[i], block.size, bits);
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
  mutable std::vector<MaskCache> masks_;  // a memory of what is drawn, not part of the result
};

}  // namespace

template <class T>
std::unique_ptr<Sparsifier<T>> keep_all() {
  return std::make_unique<KeepAll<T>>();
}

template <class T>
std::unique_ptr<Sparsifier<T>> trim_by_magnitude(const MergeGroup& group) {
  std::vector<Band> bands;
  for (const double density : group.tensors[0].settings.numbers("density")) {
    bands.push_back({0, kept_elements(density, KeepBand<T>::total_size(group))});
  }
  return std::make_unique<KeepBand<T>>(group, bands);
}

template <class T>
std::unique_ptr<Sparsifier<T>> trim_both_tails(const MergeGroup& group) {
  const MergeTensor& tensor = group.tensors[0];
  std::vector<Band> bands;
  for (std::size_t i = 0; i < tensor.settings.per_input.size(); ++i) {
    bands.push_back(kept_band(tensor.settings.number("density", i),
                              tensor.settings.number("gamma", i), tensor.size));
  }
  return std::make_unique<KeepBand<T>>(group, bands);
}

template <class T>
std::unique_ptr<Sparsifier<T>> drop_at_random(const MergeGroup& group, bool again) {
  return std::make_unique<DropAtRandom<T>>(group, again);
}

template std::unique_ptr<Sparsifier<float>> keep_all();
template std::unique_ptr<Sparsifier<double>> keep_all();
template std::unique_ptr<Sparsifier<float>> trim_by_magnitude(const MergeGroup&);
template std::unique_ptr<Sparsifier<double>> trim_by_magnitude(const MergeGroup&);
template std::unique_ptr<Sparsifier<float>> trim_both_tails(const MergeGroup&);
template std::unique_ptr<Sparsifier<double>> trim_both_tails(const MergeGroup&);
template std::unique_ptr<Sparsifier<float>> drop_at_random(const MergeGroup&, bool);
template std::unique_ptr<Sparsifier<double>> drop_at_random(const MergeGroup&, bool);

}  // namespace merganser::methods
