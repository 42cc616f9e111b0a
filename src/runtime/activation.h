// Activations by transformers' names (hidden_act).
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace merganser::rt {

using Activation = at::Tensor (*)(const at::Tensor&);

// Throws Error(unsupported), naming `place`.
Activation parse_activation(const std::string& name, const std::string& place);

}  // namespace merganser::rt
