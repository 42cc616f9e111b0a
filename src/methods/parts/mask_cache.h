// Masks of a tensor's inputs, kept from one pass to the next: drawing costs more than all else that
// is done to an element. Those of the first blocks, as far as the memory goes; the others are drawn
// again. Blocks do not share bytes, so threads that are at different blocks do not meet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace merganser::methods {

class MaskCache {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{16} << 20;

  MaskCache() = default;  // keeps nothing
  // block: elements of a block, and of the last one at most.
  MaskCache(std::size_t inputs, std::uint64_t size, std::size_t block,
            std::uint64_t most = kMaxBytes)
      : block_(block), bytes_((block + 7) / 8) {
    const std::uint64_t all = (size + block - 1) / block;
    const std::uint64_t fit = most / std::max<std::uint64_t>(1, inputs * bytes_);
    blocks_ = static_cast<std::size_t>(std::min(all, fit));
    bits_.resize(inputs * blocks_ * bytes_);
    drawn_.resize(inputs * blocks_);
  }

  // Where the mask of the block that begins at `first` is kept; null: nowhere.
  std::uint8_t* find(std::size_t input, std::uint64_t first) {
    return first / block_ < blocks_ ? bits_.data() + index(input, first) * bytes_ : nullptr;
  }
  // Of a block that find() finds.
  bool drawn(std::size_t input, std::uint64_t first) const {
    return drawn_[index(input, first)] != 0;
  }
  void set_drawn(std::size_t input, std::uint64_t first) { drawn_[index(input, first)] = 1; }

 private:
  std::size_t index(std::size_t input, std::uint64_t first) const {
    return input * blocks_ + static_cast<std::size_t>(first / block_);
  }

  std::size_t block_ = 1, bytes_ = 1, blocks_ = 0;
  std::vector<std::uint8_t> bits_;
  std::vector<std::uint8_t> drawn_;  // by input and block; bytes, so that threads do not meet
};

}  // namespace merganser::methods
