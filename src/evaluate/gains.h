// Normalised gain: how far a model comes from the base towards the best of the inputs.
#pragma once

#include <optional>

#include "evaluate/scores.h"

namespace merganser::rt {

// (x - base) / (top - base) of the metric. None where top and base are equal.
std::optional<double> gain_value(const Scores& x, const Scores& base, const Scores& top,
                                 Metric metric);

bool better(const Scores& a, const Scores& b, Metric metric);

// gain_value() with a 95 % interval from 1000 paired resamples of the
// rows (percentiles; the same for the same scores).
std::optional<Estimate> gain(const Scores& x, const Scores& base, const Scores& top, Metric metric);

}  // namespace merganser::rt
