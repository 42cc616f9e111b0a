// The name of a file that a command is asked to write at its end.
#pragma once

#include <string>

namespace merganser {

// Before the work: hours of it must not end at a name that is taken. "" asks for no file. Throws
// Error(usage) for a folder's name, an absent folder, and an existing file without `force`.
void check_report_file(const std::string& name, bool force);

}  // namespace merganser
