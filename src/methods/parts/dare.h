// What the two DARE methods share: random sparsification, rescaled by L1 or by 1/density.
#pragma once

#include <vector>

#include "methods/parts/task_vectors.h"

namespace merganser::methods {

inline std::vector<Parameter> dare_parameters(bool elect) {
  std::vector<Parameter> parameters = {
      weight_parameter(),         density_parameter("Probability that an entry is kept (1 - p)."),
      normalize_parameter(false), lambda_parameter(),
      rescale_parameter(true),    rescale_mode_parameter()};
  if (elect) {
    parameters.push_back(vote_parameter());
    parameters.push_back(zero_sign_parameter());
  }
  parameters.push_back(int8_mask_parameter());
  return parameters;
}

inline Outline dare_outline(const MergeTensor& tensor) {
  return task_vector_outline(tensor.settings, task_vector_reductions(tensor.settings));
}

template <class T, bool elect>
std::unique_ptr<Merger<T>> make_dare(MergeGroup group) {
  const Settings& settings = group.tensors[0].settings;
  TaskVectorOptions options;
  if constexpr (elect) options = election_of(settings);
  options.rescale = rescale_of(settings);
  const bool again = options.rescale == Rescale::l1 || options.zero_sign == ZeroSign::majority;
  auto sparsifier = drop_at_random<T>(group, again);
  return merge_task_vectors<T>(std::move(group), std::move(sparsifier), options);
}

}  // namespace merganser::methods
