// How long jobs report and are stopped; part of the public API.
#pragma once

#include "merganser/progress.h"  // IWYU pragma: export
