// Models that were measured, and the rows of a report that they make.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "evaluate/subject.h"
#include "merganser/evaluate.h"

namespace merganser {

struct Measured {
  std::string name, kind;          // of EvaluateReport::Row
  std::vector<rt::Scores> scores;  // of each task
};

// Every task's scores of the model that is called `name`, after a check that it fits them. Throws
// Error, and says of which model.
Measured measure(std::string name, std::string kind, const rt::Model& model,
                 std::span<const rt::Subject> subjects, const rt::ScoreOptions& options,
                 Progress& progress);

// The base first, if there is one, then the inputs, then others. Fills the report's tasks and rows;
// gains where there is a base and an input.
void fill_report(EvaluateReport& report, std::span<const rt::Subject> subjects,
                 std::span<const Measured> all);

}  // namespace merganser
