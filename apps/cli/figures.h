// Figures of models on tasks, as tables show them.
#pragma once

#include <string>

#include "merganser/evaluate.h"

namespace merganser::cli {

// "81.2 %", or four digits of a loss.
std::string metric_text(double value, const std::string& metric);
// "0.87", without a sign where it rounds to 0.
std::string gain_text(double gain);
// Rows by tasks: metrics with their intervals, and gains.
std::string figures_table(const EvaluateReport& report);

}  // namespace merganser::cli
