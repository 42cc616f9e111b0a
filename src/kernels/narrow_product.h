// Products of a block of a large matrix with few columns, as passes over a matrix need them that
// multiply it by a block of vectors: the matrix is read where it lies. A BLAS copies it into a
// layout of its own for each product, which for few columns takes as long as the product.
//
// T is float or double. Sums run in the order of the index, multiplications are fused where the
// instruction set can (AVX2, AVX-512 and NEON give the same bits, older ones others, as with BLAS).
// Thread-safe.
#pragma once

#include <cstddef>

namespace merganser {

template <class T>
struct NarrowProduct {
  const T* a = nullptr;                        // [rows, cols]
  std::size_t rows = 0, cols = 0, stride = 0;  // elements from one row to the next
  std::size_t width = 0;                       // of b and c, whose rows lie without gaps
};

// Widths have to be multiples of it.
template <class T>
constexpr std::size_t kNarrowUnit = 64 / sizeof(T);

// c += a b with b: [cols, width], c: [rows, width].
template <class T>
void add_narrow_product(const NarrowProduct<T>& product, const T* b, T* c);

// c += a^T b with b: [rows, width], c: [cols, width].
template <class T>
void add_transposed_narrow_product(const NarrowProduct<T>& product, const T* b, T* c);

}  // namespace merganser
