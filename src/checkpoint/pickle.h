// Reads pickles (protocols 0 to 5) without Python: bytes in, inert values out. What would import,
// call or build something in Python becomes a value that says so, and is never done.
#pragma once

#include "checkpoint/pickle_input.h"
#include "checkpoint/pickle_values.h"

namespace merganser::pickle {

// Reads one pickle, up to its STOP, into `values`; returns what it holds. Throws Error(corrupt) for
// what is no pickle, Error(unsupported) for what PyTorch does not write (text of protocol 0,
// extension codes, buffers outside of the pickle) and beyond the limits: kLargest bytes,
// Values::kMost values, 2^22 of them on the stack.
Id read(Input& input, Values& values);

}  // namespace merganser::pickle
