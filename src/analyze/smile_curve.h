// What SMILE's experts would keep of each change, by their rank: from the spectra alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analyze/figures.h"
#include "analyze/inputs.h"

namespace merganser {

struct SmilePoint {
  std::uint64_t rank = 0;        // of every expert, cut to what each layer has
  std::uint64_t parameters = 0;  // of the mixture: base, experts, routers
  double ratio = 1;              // to the base's
  // Of each fine-tune: |D - what the experts carry| / |D|, over all tensors, and over the linear
  // part alone; as if the router always chose the fine-tune's own expert. None where D is 0, and
  // both where a spectrum that they rest on is not known.
  std::vector<std::optional<double>> errors, errors_linear;
};

// Ranks 1, 2, 4 .. to the first that is all there is, or the last that the spectra tell of.
// Parameters as in the SMILE paper: k (m + n) a triple and expert, the biases' differences, and,
// with more than one expert, router_rank n for each.
std::vector<SmilePoint> smile_curve(const AnalysisInputs& inputs,
                                    std::span<const TensorFigures> figures, std::uint64_t known,
                                    std::uint64_t router_rank);

}  // namespace merganser
