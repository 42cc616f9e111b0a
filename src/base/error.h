// The one exception type, which is part of the public API.
#pragma once

#include "merganser/error.h"  // IWYU pragma: export
