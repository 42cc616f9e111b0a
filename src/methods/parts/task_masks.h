// Bit masks of a block, packed as Merger::masks() wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "method/merger.h"

namespace merganser::methods {

// keep(input, element, common(element)): whether the input keeps the element.
template <class T, class Keep, class Common>
void write_masks(const Block<T>& block, std::span<std::uint8_t* const> bits, Keep keep,
                 Common common) {
  for (std::uint8_t* each : bits) std::memset(each, 0, (block.size + 7) / 8);
  for (std::size_t e = 0; e < block.size; ++e) {
    const T of_all = common(e);
    for (std::size_t i = 0; i < bits.size(); ++i) {
      bits[i][e / 8] |= static_cast<std::uint8_t>(keep(i, e, of_all) ? 1u << (e % 8) : 0u);
    }
  }
}

}  // namespace merganser::methods
