// Bit masks of a block, packed as Merger::masks() wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "method/merger.h"

namespace merganser::methods {

// keep(input, element): whether the input keeps the element.
template <class T, class Keep>
void write_masks(const Block<T>& block, std::span<std::uint8_t* const> bits, Keep keep) {
  for (std::size_t i = 0; i < bits.size(); ++i) {
    for (std::size_t first = 0; first < block.size; first += 8) {
      const std::size_t count = block.size - first < 8 ? block.size - first : 8;
      unsigned byte = 0;
      for (std::size_t e = 0; e < count; ++e) byte |= (keep(i, first + e) ? 1u : 0u) << e;
      bits[i][first / 8] = static_cast<std::uint8_t>(byte);
    }
  }
}

}  // namespace merganser::methods
