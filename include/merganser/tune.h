// Choosing a merge by what it is worth on validation data: the values of a recipe's parameters, and
// which models a soup holds. Candidates are merged in memory. Needs the runtime library
// (libmerganser_runtime), which is opened on first use.
//
//   merganser::TuneRequest request;
//   request.recipe_file = "recipe.yml";
//   request.tasks = {"polarity.yml", "subjectivity.yml"};
//   request.vary = {"parameters.lambda=0.1:1.0:0.1"};
//   request.output = "best.yml";
//   merganser::Progress progress;
//   merganser::TuneReport report = merganser::tune(request, progress);
//
// Throws merganser::Error for what a user or a file can cause.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "merganser/evaluate.h"

#pragma GCC visibility push(default)
namespace merganser {

// What a candidate is chosen by, on validation data.
struct ChoiceOptions {
  std::vector<std::string> tasks;  // task files
  // least_gain: the smallest of the tasks' normalised gains; mean_gain: their mean; mean_metric:
  // the mean of the tasks' metrics (losses negated). "": least_gain where base and inputs are
  // known, else mean_metric.
  std::string objective;
  std::string validation = "validation";  // split by which candidates are chosen
  // Split on which the choice is reported, and which has no part in it; "": none. Left out, with a
  // note, where a task lacks it.
  std::string test = "test";
  std::string output;   // recipe file to write; "": none
  bool force = false;   // replace an existing one
  std::string command;  // how it was asked for: into the comment of the recipe that is written
  RuntimeOptions runtime;
};

struct TuneRequest {
  std::string recipe_file;
  // "PATH=VALUES": a parameter of the recipe, and 0.1:1.0:0.1 (from, to, step), 0.3,0.5, or an
  // interval [0.2, 1.5] for golden section search. docs/tuning.md has the form of paths.
  std::vector<std::string> vary;
  // grid: every combination; coordinate: one parameter after the other; golden: the same, all of
  // intervals. "": coordinate where there is an interval, else grid.
  std::string strategy;
  std::uint64_t evaluations = 0;    // candidates at most; 0: as many as the strategy takes
  std::uint64_t seed = 0;           // of a grid that is larger than `evaluations`: which are tried
  double tolerance = 0.02;          // of golden section: of the interval's width
  std::string base;                 // of the gains; "": the recipe's
  std::vector<std::string> inputs;  // of the gains; empty: the recipe's models
  ChoiceOptions choice;
};

struct SoupRequest {
  std::vector<std::string> models;
  bool greedy = true;  // else uniform
  std::string base;    // of the gains: not in the soup
  ChoiceOptions choice;
};

struct TuneReport {
  struct Task {
    std::string name, metric;
    bool smaller_is_better = false;
    std::uint64_t rows = 0;  // of the validation split
  };
  struct Candidate {
    // tune: the value of each parameter; soup: the number of each model in it, from 0.
    std::vector<std::string> values;
    std::vector<double> metrics;  // of each task
    std::vector<double> gains;    // of each task, where base and inputs are known
    std::optional<double> objective;
    bool accepted = false;  // better than all before it
    std::string failure;    // why it could not be measured; then the three above are empty
  };
  std::string objective, validation, test;
  std::string strategy;                 // grid, coordinate, golden; greedy, uniform
  std::vector<std::string> parameters;  // paths; of a soup: the models
  std::vector<Task> tasks;
  // Base and inputs on the validation split; no rows where they are not known.
  EvaluateReport references;
  std::vector<Candidate> candidates;  // in the order in which they were tried
  std::optional<std::size_t> best;    // of the candidates
  std::string recipe;                 // the best one's text
  std::string output;                 // the file that it was written to
  bool interrupted = false;           // stopped before the search was over
  // On the test split, after everything was chosen: base, inputs and the best; no rows: none.
  EvaluateReport tested;
  // Seconds of merging and of running the candidates, and of everything.
  double merge_seconds = 0, evaluate_seconds = 0, seconds = 0;
  std::vector<std::string> notes;

  std::string json() const;
};

TuneReport tune(const TuneRequest& request, Progress& progress);
TuneReport soup(const SoupRequest& request, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
