// The loss on the way from one model to another, or on the plane through three: linear mode
// connectivity. Needs the runtime library (libmerganser_runtime), which is opened on first use.
//
//   merganser::BarrierRequest request;
//   request.models = {"a", "b"};
//   request.tasks = {"mnist.yml"};
//   merganser::Progress progress;
//   merganser::BarrierReport report = merganser::barrier(request, progress);
//
// Throws merganser::Error for what a user or a file can cause.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "merganser/error.h"
#include "merganser/evaluate.h"
#include "merganser/progress.h"

#pragma GCC visibility push(default)
namespace merganser {

struct BarrierRequest {
  std::vector<std::string> models;  // two: the path between them; three: the plane through them
  std::vector<std::string> tasks;   // task files
  std::string path = "line";        // or "slerp": one angle for all parameters together
  // Of the path, ends included (3 to 1001); along each side of a plane (2 to 201). 0: 25, of a
  // plane 13.
  unsigned points = 0;
  double margin = 0.25;             // of a plane beyond its models, as a share of their extent
  std::vector<std::string> splits;  // empty: train and test, where a task has them
  std::uint64_t rows = 0;           // of a split, at most, evenly spread; 0: all
  // Where the models have BatchNorm: collect its statistics anew at every point, from the train
  // split of each task, and measure with these too.
  bool statistics = true;
  std::uint64_t statistics_rows = 0;  // at most, evenly spread; 0: all
  RuntimeOptions runtime;
  std::string svg, report;  // an SVG and an HTML file to write; "": none
  bool force = false;       // replace existing ones
};

struct BarrierReport {
  // max over the points strictly between the ends; below 0 where all of the way is lower than its
  // ends. A barrier is commonly reported as at least 0.
  struct Barrier {
    double above_mean = 0, at_mean = 0;  // L(lambda) - (L(0) + L(1)) / 2, and its lambda
    double above_line = 0, at_line = 0;  // L(lambda) - ((1 - lambda) L(0) + lambda L(1))
  };
  // What was measured at the points of the path in order; on a plane row by row, y from below.
  struct Curve {
    std::string statistics;     // of BatchNorm: "stored" or "recomputed"; "": there is none
    std::vector<double> loss;   // nats, of language models for each token
    std::vector<double> error;  // 1 - accuracy; empty in language modelling
    // On a path:
    Barrier loss_barrier;
    std::optional<Barrier> error_barrier;
    double best = 0;  // the lambda of the lowest loss
    // On a plane: at the models themselves.
    std::vector<double> model_loss, model_error;
  };
  struct Panel {
    std::string task, split;
    std::uint64_t rows = 0;
    std::vector<Curve> curves;
    // Of (1 - lambda) p_A + lambda p_B, the models' outputs as probabilities; on a path.
    std::vector<double> ensemble_loss, ensemble_error;
  };
  std::vector<std::string> models;
  std::string path;             // "line", "slerp", "plane"
  double distance = 0;          // |B - A|, over all parameters
  std::optional<double> angle;  // between A and B, radians; none where one is all zeros
  std::vector<double> lambdas;  // of a path
  std::vector<double> x, y;     // of a plane: distances along its two directions
  std::vector<std::array<double, 2>> places;  // of the models in the plane
  std::vector<Panel> panels;
  std::vector<std::string> notes;
  std::string svg, report;  // the files that were written
  double seconds = 0;

  std::string json() const;
};

BarrierReport barrier(const BarrierRequest& request, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
