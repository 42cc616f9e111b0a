// What a provenance asks for when its merge is made again.
#pragma once

#include <string>

#include "base/json.h"
#include "merganser/merganser.h"

namespace merganser {

// `told`: of read_provenance(). What is absent or of another type than expected is left at its
// default: it only decides how the merge is made, and the comparison shows what differs. `place` is
// for errors in the recipe.
Request request_of(const Json& told, const ReplayRequest& replay, const std::string& place);

}  // namespace merganser
