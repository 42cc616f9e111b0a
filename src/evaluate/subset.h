// Fewer rows of a task's data, and statistics of batch normalisation collected from them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "evaluate/examples.h"

namespace merganser::rt {

// At most `count` rows, evenly spread over the data: row floor(i N / count). 0: all.
Examples spread_rows(const Examples& examples, std::int64_t count);

// All rows in ceil(N / size) batches, batch j of k with the rows j, j + k, j + 2k, …: data that are
// sorted by label give batches alike.
std::vector<at::Tensor> interleaved_batches(const Examples& examples, std::int64_t size);

// Replaces the running statistics of the model's batch normalisations by those of these examples:
// the mean over interleaved batches (PyTorch's cumulative average, momentum None). What a merge
// needs before it is measured: Izmailov et al. 2018 (SWA), Jordan et al. 2023 (REPAIR). Without
// gradients; throws Error(interrupted) once progress.stopped(), and Error(mismatch) for statistics
// that are not finite.
void collect_statistics(const Model& model, const Examples& examples, std::int64_t batch,
                        Progress& progress);

}  // namespace merganser::rt
