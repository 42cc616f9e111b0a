// A task with its data and head, read once for all models.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "evaluate/examples.h"
#include "evaluate/scores.h"
#include "evaluate/task.h"
#include "evaluate/task_head.h"

namespace merganser::rt {

struct Subject {
  Task task;
  Examples examples;
  TaskHead head;
};

// One split of each task. Throws Error(usage) for no tasks, and for two of one name.
std::vector<Subject> read_subjects(std::span<const std::string> files, const std::string& split,
                                   const Placement& placement);

std::uint64_t rows_of(std::span<const Subject> subjects);

// What can be known before the model runs. Throws Error(mismatch, usage).
void check_fit(std::span<const Subject> subjects, const Model& model);

std::vector<Scores> score(const Model& model, std::span<const Subject> subjects,
                          const ScoreOptions& options, Progress& progress);

}  // namespace merganser::rt
