// What is wrong with a training's options, told before anything is read.
#pragma once

#include "merganser/train.h"

namespace merganser {

// Throws Error(usage).
void check_request(const TrainRequest& request);

}  // namespace merganser
