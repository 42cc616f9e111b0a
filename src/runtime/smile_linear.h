// A linear layer as SMILE's mixture of low-rank experts (docs/smile.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/linear.h"

namespace merganser::rt {

class Weights;

// Null where the checkpoint has a plain layer under this name.
std::shared_ptr<Linear> make_smile_linear(Weights& weights, const std::string& name,
                                          std::int64_t in, std::int64_t out, bool bias,
                                          bool transposed);

}  // namespace merganser::rt
