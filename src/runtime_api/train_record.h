// train.json: everything that decided a training, and how it went; no clock, so that the same
// training writes the same bytes.
#pragma once

#include <string>

#include "merganser/train.h"

namespace merganser {

std::string train_record(const TrainRequest& request, const TrainReport& report);

}  // namespace merganser
