// The training loop: batches, losses, steps, validation.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "base/progress.h"
#include "runtime/model.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/training_task.h"

namespace merganser::rt {

struct LoopOptions {
  RateOptions rates;  // with the number of steps
  double rate = 1e-4;
  std::int64_t batch = 32;
  double smoothing = 0;
  std::uint64_t seed = 0;
  bool alternate = false;       // a batch of one task after another; else of each in every step
  std::vector<double> weights;  // of the tasks' losses, with a mean of 1
  std::int64_t validate_every = 0;
  bool keep_best = false;  // needs validate_every
};

struct Validated {
  std::int64_t step = 0;  // taken so far
  double loss = 0;        // the tasks' weighted mean
  std::vector<double> losses, metrics;
};

struct LoopResult {
  std::vector<double> losses;  // of every step
  std::vector<Validated> validations;
  std::int64_t kept_step = 0;
  double seconds = 0;      // of training alone
  std::uint64_t rows = 0;  // trained on, in all
};

// Rows that progress will hear of.
std::uint64_t rows_of(const std::vector<TrainingTask>& subjects, const LoopOptions& options);

// Steps the optimiser's parameters, which the model and the subjects' heads compute with. Throws
// Error(mismatch) for a loss that is not finite, naming the step, and Error(interrupted).
LoopResult run_loop(const Model& model, const std::vector<TrainingTask>& subjects,
                    Optimizer& optimizer, const LoopOptions& options, Progress& progress);

}  // namespace merganser::rt
