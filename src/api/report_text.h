// A report's JSON as text.
#pragma once

#include <string>

#include "base/json.h"

namespace merganser {

// ASCII alone, all else escaped: names of tensors and files may hold what a terminal obeys, and
// need not be UTF-8 (then a mark stands in the place of what is wrong).
std::string report_text(const Json& report);

}  // namespace merganser
