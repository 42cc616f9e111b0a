// A text file that a command writes at its end.
#pragma once

#include <string>

namespace merganser {

// Before the work: hours of it must not end at a name that is taken. Throws Error(usage); "" is
// none.
void check_output_text(const std::string& path, bool force);

}  // namespace merganser
