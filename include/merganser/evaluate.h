// Models measured on tasks: checkpoints, merges that are made in memory, and the ensemble of a
// merge's inputs. Needs the runtime library (libmerganser_runtime), which is opened on first use.
//
//   merganser::EvaluateRequest request;
//   request.models = {"merged", "other-recipe.yml"};
//   request.tasks = {"polarity.yml"};
//   merganser::Progress progress;
//   merganser::EvaluateReport report = merganser::evaluate(request, progress);
//
// Throws merganser::Error for what a user or a file can cause.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "merganser/error.h"
#include "merganser/progress.h"

#pragma GCC visibility push(default)
namespace merganser {

// Where and how models are run. Paths with GPUs are compiled and were not tested on one.
struct RuntimeOptions {
  std::string device = "cpu";     // "cuda", "cuda:1"
  std::string dtype = "float32";  // float64, bfloat16, float16: of weights and arithmetic
  unsigned threads = 0;           // 0: one for each core
  std::int64_t batch = 32;        // rows at once
};

struct EvaluateRequest {
  // As recipes name them: checkpoints, `base+adapter`, a task of a task-switched output; or recipe
  // files, merged in memory.
  std::vector<std::string> models;
  std::vector<std::string> tasks;   // task files
  std::string base;                 // a row, and 0 of the normalised gains
  std::vector<std::string> inputs;  // of the merges: a row each; the best on a task is its gain 1
  bool ensemble = true;             // of the inputs, where there are two and more
  // A second row of each model that is a mixture (docs/smile.md): each task with its own expert in
  // every layer. That is the expert of the task's best input, or else the best when each is tried
  // on these rows; the notes say which.
  bool oracle = false;
  std::string split = "test";
  RuntimeOptions runtime;
  std::string report;  // an HTML file to write; "": none
  bool force = false;  // replace an existing one
};

struct EvaluateReport {
  struct Figure {
    double value = 0, low = 0, high = 0;  // of the task's metric, with a 95 % interval
    // (x - base) / (best input - base), with a 95 % interval from paired resamples of the rows;
    // none without base and inputs, and where these are equal.
    std::optional<double> gain, gain_low, gain_high;
  };
  struct Row {
    std::string name, kind;       // kind: "base", "input", "ensemble", "model", "oracle"
    std::vector<Figure> figures;  // of each task
  };
  struct Task {
    std::string name, metric, best_input;
    bool smaller_is_better = false;
    std::uint64_t rows = 0;
  };
  std::string split;
  std::vector<Task> tasks;
  std::vector<Row> rows;
  std::vector<std::string> notes;
  std::string report;  // the HTML file that was written
  double seconds = 0;

  std::string json() const;
};

EvaluateReport evaluate(const EvaluateRequest& request, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
