// Everything about changes that takes whole matrices: spectra, zones, angles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "analyze/figures.h"
#include "analyze/inputs.h"
#include "base/progress.h"

namespace merganser {

struct MatrixOptions {
  std::size_t rank = 64;   // singular values of a change
  std::size_t angles = 8;  // leading vectors that angles are taken between; 0: none
  bool zones = true;       // of the matrices in the linear part
  double zone_share = 0.5;
  std::uint64_t seed = 0;
  std::uint64_t memory = 0;  // bytes that matrices at work may take together
  // `memory` is no limit that anyone gave: it grows to what the largest spectrum takes.
  bool memory_grows = false;
  unsigned threads = 1;
};

// Adds to `figures`, of inputs.tensors, what compare_elements() leaves open: spectra and angles of
// the matrices of the linear part, embeddings and heads, zones of the linear part. A matrix is
// decomposed by one thread, as many matrices at a time as `memory` holds; so the numbers are the
// same for any number of threads. BLAS is set to one thread. Of a matrix that does not fit with its
// base and the zones, spectrum and angles alone are found; one that does not fit even so is left
// out. `notes` tells of either, once for a shape. Throws Error(interrupted).
void compare_matrices(const AnalysisInputs& inputs, const MatrixOptions& options,
                      std::vector<TensorFigures>& figures, std::vector<std::string>& notes,
                      Progress& progress);

}  // namespace merganser
