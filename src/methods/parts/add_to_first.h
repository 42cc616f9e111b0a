// Methods that add to a first model A what a second one, B, has over the base C:
//   y = A + alpha g(A, B, C),  models: [A, B], base_model: C
// Their inputs are weights, not deltas: A then comes out exactly where g is zero.
#pragma once

#include <cstddef>
#include <string_view>

#include "method/descriptor.h"

namespace merganser::methods {

inline constexpr std::size_t kA = 0, kB = 1;  // in the listed order

Parameter alpha_parameter(double fallback, std::string_view summary);
// alpha 0: A is copied.
Outline add_to_first_outline(const MergeTensor& tensor, unsigned sweeps);

}  // namespace merganser::methods
