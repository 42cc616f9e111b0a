// Fine-tuning: whole models, LoRA adapters, linear heads, on one task or several at once. Needs the
// runtime library (libmerganser_runtime), which is opened on first use.
//
//   merganser::TrainRequest request;
//   request.base = "base";
//   request.tasks = {"polarity.yml"};
//   request.output = "specialist";
//   request.steps = 300;
//   merganser::Progress progress;
//   merganser::TrainReport report = merganser::train(request, progress);
//
// Throws merganser::Error for what a user or a file can cause; nothing is left at the output then.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "merganser/error.h"
#include "merganser/evaluate.h"
#include "merganser/progress.h"

#pragma GCC visibility push(default)
namespace merganser {

struct TrainRequest {
  // As recipes name it: a checkpoint, `base+adapter`, …; with `init` a folder with a config.json.
  std::string base;
  bool init = false;  // weights drawn from the seed
  std::vector<std::string> tasks;
  std::string output;  // a folder
  bool force = false;  // replace an existing one

  std::int64_t steps = 0;
  double rate = 1e-4;               // the highest learning rate
  std::string schedule = "linear";  // to 0; "cosine", to 0; "constant"
  std::int64_t warmup = 0;          // steps in which the rate rises from 0
  std::string optimizer = "adamw";  // "sgd"
  double momentum = 0.9;            // of sgd
  double weight_decay = 0;          // of matrices; never of vectors (biases, norms)
  double clip = 1;                  // largest norm of a step's gradient; 0: any
  double smoothing = 0;             // of labels, in [0, 1)
  std::uint64_t seed = 0;

  // Of several tasks: a step takes a batch of each ("together"), or of one after another
  // ("alternate").
  std::string mix = "together";
  std::vector<double> task_weights;  // of their losses; empty: equal. Scaled to a mean of 1

  std::int64_t validate_every = 0;  // steps, and before the first; 0: never
  // "best": of the steps that were validated, the one with the least loss; "last"; "": best where
  // validate_every is given, else last.
  std::string keep;

  std::int64_t lora_rank = 0;  // 0: no adapter, the model's own weights are trained
  double lora_alpha = 0;       // 0: twice the rank. The scale is alpha / rank
  std::vector<std::string>
      lora_targets;                 // globs on linear layers' names; empty: all but output heads
  std::vector<std::string> freeze;  // globs on tensors that stay as they are
  bool train_head = false;          // the tasks' own heads, too: written to heads/TASK.safetensors

  RuntimeOptions runtime;  // `batch`: rows of a task in a step
};

struct TrainReport {
  struct Task {
    std::string name, metric;
    std::uint64_t rows = 0, validation_rows = 0;
    std::vector<std::pair<std::string, std::string>> hashes;  // of its data: file, hash
  };
  // A step that was validated.
  struct Validation {
    std::int64_t step = 0;  // taken so far
    double loss = 0;        // the tasks' weighted mean
    std::vector<double> losses, metrics;
  };
  std::string output, kind;  // "checkpoint" or "adapter"
  std::uint64_t parameters = 0, trained = 0;
  std::vector<Task> tasks;
  std::vector<double> losses;  // of every step: the tasks' weighted mean
  std::vector<Validation> validations;
  std::int64_t kept_step = 0;          // whose weights were written: so many steps were taken
  std::vector<std::string> unreached;  // trainable tensors or layers that no task's loss depends on
  std::vector<std::string> notes;
  double seconds = 0;
  double rows_per_second = 0;  // of training alone

  std::string json() const;
};

TrainReport train(const TrainRequest& request, Progress& progress);

struct FitHeadRequest {
  std::string base, task;
  std::string output;      // a .safetensors file; "": the task's head
  bool force = false;      // replace an existing one
  std::uint64_t rows = 0;  // the first so many of the train split; 0: all
  std::vector<double> penalties = {1e-3, 1e-4, 1e-5, 1e-6};  // of the squared weights
  RuntimeOptions runtime;
};

struct FitHeadReport {
  struct Fit {
    double penalty = 0, loss = 0, validation_loss = 0, validation_accuracy = 0;
    std::int64_t iterations = 0;
    bool converged = false;
  };
  std::string output, task;
  std::uint64_t rows = 0, validation_rows = 0, classes = 0, width = 0;
  std::vector<Fit> fits;
  double penalty = 0;  // the chosen one
  std::vector<std::string> notes;
  double seconds = 0;

  std::string json() const;
};

// Softmax regression on the frozen model's features, to convergence.
FitHeadReport fit_head(const FitHeadRequest& request, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
