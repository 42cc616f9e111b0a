// The sparsifiers that draw: a mask of a bit an element for each input.
#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>

#include "base/hash.h"
#include "base/random.h"
#include "kernels/dropout.h"
#include "kernels/rank_dropout.h"
#include "kernels/reduce.h"
#include "methods/parts/mask_cache.h"
#include "methods/parts/sparsifier.h"

namespace merganser::methods {
namespace {

// A thread's memory.
template <class T>
struct DrawScratch final : Cursor {
  std::vector<std::uint8_t> bits, row_bits;
  std::vector<std::uint16_t> draws;
  std::vector<std::uint32_t> ranks;
  RankDropoutScratch<T> rank;
};

template <class T>
class RandomSparsifier : public Sparsifier<T> {
 public:
  RandomSparsifier(const MergeGroup& group, bool again, Unit unit) {
    for (const MergeTensor& tensor : group.tensors) {
      const std::size_t inputs = tensor.settings.per_input.size();
      const std::size_t block = block_size(unit, tensor.shape);
      masks_.push_back(again ? MaskCache(inputs, tensor.size, block) : MaskCache());
      Tensor& added = tensors_.emplace_back();
      for (std::size_t i = 0; i < inputs; ++i) {
        const std::uint64_t stream = hash64(tensor.name + '\n' + std::to_string(tensor.models[i]));
        added.streams.push_back({group.seed, stream});
        added.densities.push_back(tensor.settings.number("density", i));
      }
    }
  }

  std::unique_ptr<Cursor> cursor(std::size_t, std::size_t) const override {
    return std::make_unique<DrawScratch<T>>();
  }

  void apply(const Block<T>& block, Cursor* cursor) const override {
    auto& scratch = static_cast<DrawScratch<T>&>(*cursor);
    for (std::size_t i = 0; i < block.inputs.size(); ++i) {
      if (keeps_all(block.tensor, i)) continue;
      const std::uint8_t* bits = mask(block, i, scratch);
      compensate(block, i, scratch);
      apply_mask<T>(block.inputs[i], block.size, bits);
    }
  }

  void norms(const Block<T>& block, Cursor* cursor, std::span<double> whole,
             std::span<double> kept) const override {
    auto& scratch = static_cast<DrawScratch<T>&>(*cursor);
    for (std::size_t i = 0; i < block.inputs.size(); ++i) {
      if (keeps_all(block.tensor, i)) {
        kept[i] = whole[i] = sum_abs<T>(block.inputs[i], block.size);
      } else {
        const MaskedSum sums = sum_abs<T>(block.inputs[i], block.size, mask(block, i, scratch));
        whole[i] = sums.whole;
        kept[i] = sums.kept;
      }
    }
  }

  bool drops(std::size_t tensor) const override {
    for (std::size_t i = 0; i < tensors_[tensor].densities.size(); ++i) {
      if (!keeps_all(tensor, i)) return true;
    }
    return false;
  }

 protected:
  struct Tensor {
    std::vector<RandomStream> streams;  // by input
    std::vector<double> densities;
  };

  // Bits as kernels/dropout.h has them, into mask_bytes() of the block.
  virtual void draw(const Block<T>&, std::size_t input, DrawScratch<T>&, std::uint8_t*) const = 0;

  // Scales the input before it is masked.
  virtual void compensate(const Block<T>&, std::size_t /*input*/, DrawScratch<T>&) const {}

  const Tensor& tensor(std::size_t index) const { return tensors_[index]; }
  bool keeps_all(std::size_t tensor, std::size_t input) const {
    return tensors_[tensor].densities[input] >= 1;
  }

  // Drawn, or remembered; in the scratch, as vectors are loaded beyond the end.
  const std::uint8_t* mask(const Block<T>& block, std::size_t input,
                           DrawScratch<T>& scratch) const {
    scratch.bits.resize(mask_bytes(block.size));
    std::uint8_t* bits = scratch.bits.data();
    MaskCache& cache = masks_[block.tensor];
    std::uint8_t* place = cache.find(input, block.first);
    const std::size_t bytes = (block.size + 7) / 8;
    if (place != nullptr && cache.drawn(input, block.first)) {
      std::memcpy(bits, place, bytes);
      return bits;
    }
    draw(block, input, scratch, bits);
    if (place != nullptr) {
      std::memcpy(place, bits, bytes);
      cache.set_drawn(input, block.first);
    }
    return bits;
  }

 private:
  std::vector<Tensor> tensors_;
  mutable std::vector<MaskCache> masks_;  // a memory of what is drawn, not part of the result
};

template <class T>
class DropAtRandom final : public RandomSparsifier<T> {
 public:
  DropAtRandom(const MergeGroup& group, bool again)
      : RandomSparsifier<T>(group, again, Unit::element) {}

 protected:
  void draw(const Block<T>& block, std::size_t input, DrawScratch<T>&,
            std::uint8_t* bits) const override {
    const auto& tensor = this->tensor(block.tensor);
    keep_mask(bits, block.size, tensor.streams[input], block.first,
              keep_threshold(tensor.densities[input]));
  }
};

// Appends n bits to a mask that has `at`, in a place with room for a byte more.
void append_bits(std::uint8_t* bits, std::size_t at, const std::uint8_t* from, std::size_t n) {
  const std::size_t shift = at % 8;
  std::uint8_t* to = bits + at / 8;
  *to &= static_cast<std::uint8_t>((1u << shift) - 1);
  for (std::size_t byte = 0; byte < (n + 7) / 8; ++byte, ++to) {
    const unsigned shifted = static_cast<unsigned>(from[byte]) << shift;
    *to |= static_cast<std::uint8_t>(shifted);
    to[1] = static_cast<std::uint8_t>(shifted >> 8);
  }
}

template <class T>
class DropByRank final : public RandomSparsifier<T> {
 public:
  DropByRank(const MergeGroup& group, bool again, Compensation compensation)
      : RandomSparsifier<T>(group, again, Unit::row), compensation_(compensation) {
    for (const MergeTensor& tensor : group.tensors) {
      Rows& rows = rows_.emplace_back();
      rows.size = row_size(tensor.shape);
      for (std::size_t i = 0; i < tensor.settings.per_input.size(); ++i) {
        rows.probabilities.emplace_back(tensor.settings.number("density", i),
                                        tensor.settings.number("epsilon", i), rows.size);
      }
    }
  }

 protected:
  void draw(const Block<T>& block, std::size_t input, DrawScratch<T>& scratch,
            std::uint8_t* bits) const override {
    if (!drops_some(block, input)) {
      std::memset(bits, 0, mask_bytes(block.size));
      return;
    }
    const Rows& rows = rows_[block.tensor];
    const RandomStream stream = this->tensor(block.tensor).streams[input];
    scratch.draws.resize(draws_size(block.size));
    draw_bits(scratch.draws.data(), block.size, stream, block.first);
    const std::uint16_t* draws = scratch.draws.data() + block.first % 8;
    scratch.row_bits.resize(mask_bytes(rows.size));
    for (std::size_t at = 0; at < block.size; at += rows.size) {
      const bool in_place = at % 8 == 0;
      std::uint8_t* row = in_place ? bits + at / 8 : scratch.row_bits.data();
      keep_by_rank<T>(row, block.inputs[input] + at, rows.size, rows.probabilities[input],
                      draws + at, stream, block.first + at, scratch.rank);
      if (!in_place) append_bits(bits, at, row, rows.size);
    }
  }

  void compensate(const Block<T>& block, std::size_t input,
                  DrawScratch<T>& scratch) const override {
    if (compensation_ == Compensation::none || !drops_some(block, input)) return;
    const Rows& rows = rows_[block.tensor];
    scratch.ranks.resize(rows.size);
    for (std::size_t at = 0; at < block.size; at += rows.size) {
      T* row = block.inputs[input] + at;
      rank_magnitudes<T>(row, rows.size, scratch.ranks.data(), scratch.rank.sort);
      for (std::size_t j = 0; j < rows.size; ++j) {
        row[j] *= static_cast<T>(1 / rows.probabilities[input].at(scratch.ranks[j]));
      }
    }
  }

 private:
  struct Rows {
    std::size_t size = 1;
    std::vector<RankProbability> probabilities;  // by input
  };

  // Neither everything (no mask is made) nor nothing.
  bool drops_some(const Block<T>& block, std::size_t input) const {
    const double density = this->tensor(block.tensor).densities[input];
    return density > 0 && density < 1;
  }

  Compensation compensation_;
  std::vector<Rows> rows_;
};

}  // namespace

template <class T>
std::unique_ptr<Sparsifier<T>> drop_at_random(const MergeGroup& group, bool again) {
  return std::make_unique<DropAtRandom<T>>(group, again);
}

template <class T>
std::unique_ptr<Sparsifier<T>> drop_by_rank(const MergeGroup& group, bool again,
                                            Compensation compensation) {
  return std::make_unique<DropByRank<T>>(group, again, compensation);
}

template std::unique_ptr<Sparsifier<float>> drop_at_random(const MergeGroup&, bool);
template std::unique_ptr<Sparsifier<double>> drop_at_random(const MergeGroup&, bool);
template std::unique_ptr<Sparsifier<float>> drop_by_rank(const MergeGroup&, bool, Compensation);
template std::unique_ptr<Sparsifier<double>> drop_by_rank(const MergeGroup&, bool, Compensation);

}  // namespace merganser::methods
