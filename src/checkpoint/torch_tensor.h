// One tensor of a pickle: the calls that rebuild it, undone.
#pragma once

#include <string>

#include "checkpoint/pickle_values.h"
#include "checkpoint/torch_objects.h"

namespace merganser::torch_objects {

// The arguments of torch._utils._rebuild_tensor and its later versions, out of their wrappings
// (nn.Parameter, subclasses).
struct TensorCall {
  enum class Kind { none, plain, foreign } kind = Kind::none;
  pickle::Id storage = 0, offset = 0, size = 0, stride = 0, dtype = 0, metadata = 0;
  std::string why;  // foreign: what it is, "a sparse tensor"
};

// Kind::none for whatever is no tensor. Looks at a bounded number of values.
TensorCall tensor_call(const pickle::Values& values, pickle::Id id);

// Checks everything against the storage. Throws Error without a file and tensor name.
Tensor make_tensor(const pickle::Values& values, const TensorCall& call);

}  // namespace merganser::torch_objects
