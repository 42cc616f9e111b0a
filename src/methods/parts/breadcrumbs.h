// What the two Breadcrumbs methods share: both tails of the magnitudes are dropped.
#pragma once

#include <algorithm>
#include <vector>

#include "methods/parts/task_vectors.h"

namespace merganser::methods {

inline std::vector<Parameter> breadcrumbs_parameters(bool elect) {
  std::vector<Parameter> parameters = {
      weight_parameter(),
      density_parameter("Share of the entries that is kept, below the dropped outliers."),
      {.name = "gamma",
       .summary = "Share of the entries that is dropped as outliers, the largest first.",
       .scope = ParameterScope::per_input,
       .fallback = Value{0.01},
       .low = 0,
       .high = 1},
      normalize_parameter(false),
      lambda_parameter(),
      rescale_parameter(false),
      rescale_mode_parameter()};
  if (elect) {
    parameters.push_back(vote_parameter());
    parameters.push_back(zero_sign_parameter());
  }
  parameters.push_back(int8_mask_parameter());
  return parameters;
}

inline Outline breadcrumbs_outline(const MergeTensor& tensor) {
  const std::vector<double> densities = tensor.settings.numbers("density");
  const bool selects = std::any_of(densities.begin(), densities.end(),
                                   [](double density) { return density > 0 && density < 1; });
  return task_vector_outline(tensor.settings,
                             task_vector_reductions(tensor.settings) + (selects ? 1 : 0));
}

template <class T, bool elect>
std::unique_ptr<Merger<T>> make_breadcrumbs(MergeGroup group) {
  const Settings& settings = group.tensors[0].settings;
  TaskVectorOptions options;
  if constexpr (elect) options = election_of(settings);
  options.rescale = rescale_of(settings);
  auto sparsifier = trim_both_tails<T>(group);
  return merge_task_vectors<T>(std::move(group), std::move(sparsifier), options);
}

}  // namespace merganser::methods
