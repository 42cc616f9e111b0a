// Private to this layer.
#pragma once

#include "base/json.h"

namespace merganser {

// Says in a config, at any depth, that the output head is no longer the embedding.
void untie(Json& config);

}  // namespace merganser
