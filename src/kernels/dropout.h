// Random dropping (DARE): the mask of base/random.h's keeps(), bit for bit, many elements at a
// time. A mask holds one bit an element, so that a second pass need not draw again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/random.h"

namespace merganser {

// Bytes of a mask of n elements: vectors are loaded from it up to 8 bytes at a time.
constexpr std::size_t mask_bytes(std::size_t n) { return (n + 7) / 8 + 8; }

// Room for the draws of n elements, wherever they begin in the tensor; with as much again of what
// is left over from whole vectors and may be read as such.
constexpr std::size_t draws_size(std::size_t n) { return n + 128; }

// base/random.h's draw16() of element first + j at out[first % 8 + j]. Thread-safe.
void draw_bits(std::uint16_t* out, std::size_t n, RandomStream stream, std::uint64_t first);

// Bit j % 8 of byte j / 8 is set where element first + j of the tensor is kept. `first` is a
// multiple of 8; bits past n are not defined. Writes (n + 7) / 8 bytes. Thread-safe.
void keep_mask(std::uint8_t* bits, std::size_t n, RandomStream stream, std::uint64_t first,
               std::uint64_t threshold);

// Sets to +0 the elements whose bit is clear. In place; `bits` has mask_bytes(n).
template <class T>
void apply_mask(T* x, std::size_t n, const std::uint8_t* bits);

}  // namespace merganser
