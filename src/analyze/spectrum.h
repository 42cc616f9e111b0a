// Singular values of changes, and the leading vectors that angles are taken between.
#pragma once

#include <cstddef>
#include <cstdint>

#include "adapter/lora_source.h"
#include "analyze/figures.h"
#include "linalg/matrix.h"

namespace merganser {

struct SpectrumOptions {
  std::size_t rank = 64;    // singular values
  std::size_t leading = 0;  // vectors of each side
  std::uint64_t seed = 0;
};

// Leading singular vectors as rows, [l, m] and [l, n] of an m x n change; directions with less than
// 1e-6 of the largest singular value are left out.
struct Leading {
  Matrix<double> left, right;
};

struct Decomposed {
  Spectrum spectrum;
  Leading leading;
};

// Of a change that is not 0. Where the smaller side has at most 256 entries every value is exact;
// else block Krylov spaces find them so that the error of the rank-k approximation is at most about
// 0.1 % above the best (truncated_svd.h; not proven for flat spectra).
template <class T>
Decomposed decompose(MatrixView<const T> change, const SpectrumOptions& options);

// Of an adapter's change: exact, from its factors alone.
Decomposed decompose(const LoraSource::Product& product, const SpectrumOptions& options);

}  // namespace merganser
