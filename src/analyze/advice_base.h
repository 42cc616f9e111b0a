// Advice on whether the models belong to the base at all.
#pragma once

#include "analyze/advice.h"

namespace merganser {

void base_advice(const Analysis& analysis, AdviceList& list);

}  // namespace merganser
