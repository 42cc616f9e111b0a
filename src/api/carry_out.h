// A merge with a look at its provenance before the output gets its name.
#pragma once

#include <functional>
#include <string>

#include "merganser/merganser.h"

namespace merganser {

// `accept` sees the text of the provenance once everything is computed; where it says no, nothing
// is left behind. Without request.output the merge is computed and hashed, and written nowhere.
MergeReport carry_out(const Request& request, Progress& progress,
                      const std::function<bool(const std::string&)>& accept);

}  // namespace merganser
