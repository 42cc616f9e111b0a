// How a family's weights lie and what its modules are called, where a checkpoint leaves that open.
#pragma once

#include <string>
#include <string_view>

#include "architecture/architecture.h"

namespace merganser {

// Whether this weight of a linear module is [in, out] (transformers' Conv1D, in GPT-2's layers)
// instead of [out, in]. Only families of families/*.json whose traits say so have such weights.
bool is_input_first(const Architecture& architecture, std::string_view name);

// The name that transformers gives to a module of the class that the config names. Old checkpoints
// of a model with a head leave out the part that wraps the layers ("h.0.attn" for
// "transformer.h.0.attn"), and loading puts it back; what goes by modules' names must do so, too.
// The same name for classes without a head and for unknown families.
std::string module_in_class(const Architecture& architecture, std::string_view module);

}  // namespace merganser
