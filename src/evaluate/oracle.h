// The expert of a mixture that is a task's own, put into every layer for all its tokens: what
// routing costs is the distance to it.
#pragma once

#include <cstdint>
#include <vector>

#include "evaluate/scores.h"
#include "runtime/model.h"

namespace merganser::rt {

// Within its life an expert is in every layer of the model.
class OneExpert {
 public:
  OneExpert(const Model& model, std::int64_t expert);
  OneExpert(const OneExpert&) = delete;
  OneExpert& operator=(const OneExpert&) = delete;
  ~OneExpert();

 private:
  Routing& routing_;
  Routing before_;
};

// The scores of each expert alone, by its number. Best: by the task's metric, the first of equals.
struct Tried {
  std::int64_t best = 0;
  std::vector<Scores> scores;
};
Tried try_experts(const Model& model, const TaskHead& head, const Task& task,
                  const Examples& examples, const ScoreOptions& options, Progress& progress);

// The expert of that name, as recipes name checkpoints: the last part of a path counts. -1: none,
// or several.
std::int64_t expert_named(const Model& model, const std::string& name);

}  // namespace merganser::rt
