// Opens libmerganser_runtime on first use, so that merging never pays for libtorch.
#pragma once

#include "api/runtime_table.h"

namespace merganser {

// Looked for where MERGANSER_RUNTIME says, beside the program, in its ../lib (or as installed), and
// where the system looks. Throws Error(not_found) where it is absent, Error(mismatch) where it is
// of another version.
const RuntimeTable& runtime();

}  // namespace merganser
