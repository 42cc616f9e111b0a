// A linear head for a task, fitted on a frozen model's features.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "evaluate/examples.h"
#include "evaluate/task_head.h"
#include "runtime/model.h"

namespace merganser::rt {

// f32 [N, D] on the CPU: pooled and normalised as the task says. Throws Error(mismatch) for
// features that are not finite, Error(interrupted).
at::Tensor features_of(const Model& model, const TaskHead& head, const Examples& examples,
                       std::int64_t batch, Progress& progress);

struct HeadTrial {
  double penalty = 0, loss = 0, validation_loss = 0, validation_accuracy = 0;
  std::int64_t iterations = 0;
  bool converged = false;
};

struct HeadFit {
  at::Tensor weight, bias;  // f32 [C, D], [C]: the best on validation
  std::vector<HeadTrial> trials;
  double penalty = 0;  // the chosen one
};

// The penalty with the best accuracy on validation, then the least loss there, is kept. Labels are
// below `classes`.
HeadFit fit_head(const at::Tensor& train, const at::Tensor& train_labels, const at::Tensor& check,
                 const at::Tensor& check_labels, std::int64_t classes,
                 const std::vector<double>& penalties, Progress& progress);

}  // namespace merganser::rt
