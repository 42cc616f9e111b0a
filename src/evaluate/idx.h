// Images and labels in MNIST's IDX form, plain or packed by gzip.
#pragma once

#include "evaluate/examples.h"

namespace merganser::rt {

// values f32 [N, 1, H, W], of files with four axes [N, C, H, W], of two [N, D]:
// (pixel / 255 - offset) / scale. Throws Error(not_found, corrupt, unsupported), and
// Error(mismatch) where images and labels do not go together.
Examples read_idx(const Task& task, const SplitFile& split);

}  // namespace merganser::rt
