// A task that a model is trained on: its data and head.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "evaluate/examples.h"
#include "evaluate/task_head.h"
#include "runtime/model.h"
#include "task/task.h"

namespace merganser::rt {

struct TrainingTask {
  Task task;
  Examples rows;                  // of the train split
  std::optional<Examples> check;  // of the validation split
  TaskHead head;
};

// The mean cross-entropy over the targets of these rows, in nats, with its gradient; f32, 0-d. Of a
// smoothing s the target is 1 - s of the label and s spread evenly over all classes (Szegedy et al.
// 2016). Throws Error(mismatch) for a label that the head has no class for.
at::Tensor training_loss(const Model& model, const TrainingTask& subject, const at::Tensor& rows,
                         double smoothing);

}  // namespace merganser::rt
