// The two forms in which a mixture is stored: names and shapes of its tensors, its config, and the
// files beside them.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "smile/module.h"

namespace merganser {

// A tensor that no checkpoint has, of one module.
struct MadeSpec {
  enum class What {
    router,       // [sum of g, n]: the experts' router vectors, one below the other
    input_side,   // [k, n]: S V^T
    output_side,  // [k, m]: U^T
    outputs,      // [m, k]: U
    bias,         // [m] or [experts, m]: differences of the biases
    dense,        // [m, n] or [experts, m, n]: differences of the weights
  };

  std::string name;
  Shape shape;
  What what = What::router;
  std::size_t first = 0, count = 1;  // of the experts
};

// Base tensors of a module under the layout's names.
std::string shared_weight(SmileLayout layout, const std::string& module);
std::string shared_bias(SmileLayout layout, const std::string& module);
std::vector<MadeSpec> made_tensors(SmileLayout layout, const SmileModule& module);

// Adds modules of zeros where the layout wants every linear layer of a block. Throws Error for an
// architecture or a module that the layout's classes do not have.
void complete_modules(const Plan& plan, SmileModules& modules);

// The output's config: the base's, and what the layout adds. Throws Error for a config without what
// is needed (model_type, architectures).
Json smile_config(const Plan& plan, const SmileModules& modules);

// Code that goes with the output.
std::vector<std::pair<std::string, std::string>> smile_files(SmileLayout layout);

}  // namespace merganser
