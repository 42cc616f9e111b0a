// What the two methods of reinforced agent merging share.
#pragma once

#include "method/parameter.h"

namespace merganser::methods {

inline Parameter epsilon_parameter() {
  return {.name = "epsilon",
          .summary = "Changes up to this magnitude are left out.",
          .fallback = Value{1e-5},
          .low = 0};
}

}  // namespace merganser::methods
