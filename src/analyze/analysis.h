// The whole analysis of a base and its fine-tunes: figures of each tensor, of groups of them, and
// what follows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyze/aggregate.h"
#include "analyze/figures.h"
#include "analyze/inputs.h"
#include "analyze/methods.h"
#include "analyze/smile_curve.h"
#include "base/progress.h"

namespace merganser {

struct AnalysisSettings {
  std::size_t rank = 64;   // singular values of a change
  double top_share = 0.2;  // (0, 1]: of the largest elements
  std::size_t angles = 8;  // leading vectors that angles are taken between
  bool zones = true;
  double zone_share = 0.5;  // of the sum of the base's singular values that zone I holds
  std::uint64_t router_rank = 8;
  std::uint64_t seed = 0;
  // Bytes that matrices at work may take together, and what is collected of elements for their
  // ranks. 0: 900 MB, or what the largest matrix takes by itself.
  std::uint64_t memory = 0;
  unsigned threads = 1;
};

struct LayerGroup {
  std::string module;  // "encoder"; "" where the layers of one module are all there are
  std::size_t layer = 0;
  Aggregate figures;

  std::string name() const;  // "3", "encoder 3"
};

struct NamedGroup {
  std::string name;  // of a role or a part
  Aggregate figures;
};

struct Analysis {
  AnalysisInputs inputs;
  AnalysisSettings settings;
  std::vector<AnalysedMethod> methods;
  std::vector<TensorFigures> figures;  // of inputs.tensors
  std::vector<Aggregate> tensors;      // each by itself
  std::vector<LayerGroup> layers;      // by module and layer
  std::vector<NamedGroup> roles, parts;
  Aggregate total;
  std::vector<SmilePoint> curve;
  std::vector<std::string> notes;
};

// `methods`: of the recipe; they come first. A method that cannot merge these models is left out
// with a note. Throws Error: NaN and infinity, interrupted.
Analysis analyse(AnalysisInputs inputs, std::vector<AnalysedMethod> methods,
                 const AnalysisSettings& settings, Progress& progress);

}  // namespace merganser
