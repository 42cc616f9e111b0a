// Two provenances of one merge: what they say differently of models, configs and tensors.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "merganser/merganser.h"

namespace merganser {

// `told`: of read_provenance(); `now`: of a merge that this program made. Throws Error(corrupt),
// naming `place`, where a part of `told` has another form than this program writes.
std::vector<ReplayDifference> compare_records(const Json& told, const Json& now,
                                              const std::string& place);

}  // namespace merganser
