// What the routers of a mixture choose on a task's data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "evaluate/examples.h"
#include "evaluate/task_head.h"
#include "runtime/smile_linear.h"

namespace merganser::rt {

// Of one layer; padding is not counted.
struct LayerRoutes {
  std::vector<std::uint64_t> choices;  // of each expert, by all tokens
  std::vector<std::uint64_t> first;    // tokens whose best expert it is
  std::vector<std::int64_t> text;      // best expert of each token of the first row
};

struct Routes {
  std::uint64_t tokens = 0;         // that the model reads; of arrays rows
  std::vector<std::int64_t> ids;    // of the first row
  std::vector<LayerRoutes> layers;  // in the order of Model::mixtures()
};

struct RouteOptions {
  std::int64_t batch = 32;
  std::int64_t text = 64;  // tokens of the first row to be kept
};

// Runs the model over all rows. Throws Error(interrupted) once progress.stopped().
Routes count_routes(const Model& model, const TaskHead& head, const Task& task,
                    const Examples& examples, const RouteOptions& options, Progress& progress);

}  // namespace merganser::rt
