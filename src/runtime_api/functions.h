// The functions of the public API that run models, as the table hands them out.
#pragma once

#include "merganser/evaluate.h"

namespace merganser {

EvaluateReport runtime_evaluate(const EvaluateRequest& request, Progress& progress);

}  // namespace merganser
