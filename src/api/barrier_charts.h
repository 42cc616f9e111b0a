// The plots of what was measured between models.
#pragma once

#include <string>

#include "merganser/barrier.h"

namespace merganser {

// A static SVG: of a path the losses and errors of each task, of a plane maps of its losses and
// errors.
std::string barrier_svg(const BarrierReport& report);

// What a curve is called beside others: "test, recomputed statistics".
std::string curve_name(const BarrierReport::Panel& panel, const BarrierReport::Curve& curve);

}  // namespace merganser
