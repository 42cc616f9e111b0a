// An analysis as the JSON document of docs/analysis.md.
#pragma once

#include <string>
#include <vector>

#include "analyze/advice.h"
#include "analyze/analysis.h"

namespace merganser {

std::string analysis_document(const Analysis& analysis, const std::vector<Advice>& advice);

}  // namespace merganser
