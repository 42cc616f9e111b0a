// What a merge loses of each fine-tune: the merge is made, and compared as it is made.
#pragma once

#include <cstddef>
#include <vector>

#include "analyze/figures.h"
#include "analyze/inputs.h"
#include "analyze/methods.h"
#include "base/progress.h"

namespace merganser {

// Appends to each tensor's `lost` the squared distances |merged - W_0 - D_i|^2 of this method.
// Nothing of the merged model is kept: a worker takes about 1 MiB beside what the merge takes.
// Models that the merge reads are not read again for the comparison. Chunks have one size for any
// number of threads, and so have the sums. Throws what the merge throws, and Error(interrupted).
void add_losses(const AnalysisInputs& inputs, const AnalysedMethod& method,
                std::vector<TensorFigures>& figures, unsigned threads, Progress& progress);

}  // namespace merganser
