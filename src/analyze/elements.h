// Everything about changes that goes element by element: norms, and how pairs of them agree.
#pragma once

#include <cstdint>
#include <vector>

#include "analyze/figures.h"
#include "analyze/inputs.h"
#include "base/progress.h"

namespace merganser {

// Of each tensor, in the inputs' order; spectra, zones, angles and losses are left open.
// top_share: (0, 1]; the top of a change are the elements of at least the magnitude of rank
// ceil(top_share n), zeros left out. Tensors are streamed, a worker each. A worker takes about 2.5
// MiB for each fine-tune, and what it collects to find ranks: at most 16 MiB, all of it together
// within `memory` bytes, but 512 KiB where that is too little. Neither threads nor memory change a
// number. Throws Error for NaN and infinity: nothing can be said of such a checkpoint, and no merge
// would take it.
std::vector<TensorFigures> compare_elements(const AnalysisInputs& inputs, double top_share,
                                            std::uint64_t memory, unsigned threads,
                                            Progress& progress);

}  // namespace merganser
