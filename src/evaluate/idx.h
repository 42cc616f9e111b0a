// Images and labels in MNIST's IDX form, plain or compressed by gzip.
#pragma once

#include "evaluate/examples.h"

namespace merganser::rt {

// values [N, 1, H, W], (pixel / 255 - offset) / scale. Throws Error(corrupt, mismatch).
Examples read_idx(const Task& task, const SplitFile& split);

}  // namespace merganser::rt
