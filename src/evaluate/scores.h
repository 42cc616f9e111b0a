// How a model does on each row of a task's data, and what follows for its metric.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "evaluate/examples.h"
#include "evaluate/task_head.h"

namespace merganser::rt {

struct Scores {
  at::Tensor loss;     // f64 [N]: nats, the mean over a row's targets
  at::Tensor correct;  // f64 [N]: 0 or 1; undefined in language modelling
  at::Tensor targets;  // f64 [N]: tokens predicted in a row; 1 in classification
  // What an ensemble averages: f32 [N, C] probabilities of the classes, or f32 [N, T] of each
  // target in language modelling.
  at::Tensor probabilities;
};

struct ScoreOptions {
  std::int64_t batch = 32;
  bool probabilities = false;  // keep them
};

// Without gradients. Throws Error(mismatch) for a loss that is not finite, naming the row, and
// Error(interrupted) once progress.stopped().
Scores score(const Model& model, const TaskHead& head, const Task& task, const Examples& examples,
             const ScoreOptions& options, Progress& progress);

// Of the mean of the models' probabilities, each with its own Scores::probabilities.
Scores ensemble(const std::vector<Scores>& members, const Examples& examples);

// The same of two models' probabilities with these weights, which sum to 1.
Scores weighted_ensemble(const std::array<Scores, 2>& members, const std::array<double, 2>& weights,
                         const Examples& examples);

// A metric with its 95 % confidence interval over rows: Wilson's for accuracy, normal for the mean
// loss (rows weighted by their targets); perplexity's is the exponential of the loss's.
struct Estimate {
  double value = 0, low = 0, high = 0;
};
Estimate estimate(const Scores& scores, Metric metric);

}  // namespace merganser::rt
