// What the two DELLA methods share: entries are dropped at random, the smaller of a row more often.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "base/error.h"
#include "methods/parts/task_vectors.h"

namespace merganser::methods {

inline std::vector<Parameter> della_parameters(bool elect) {
  std::vector<Parameter> parameters = {
      weight_parameter(),
      density_parameter("Mean probability that an entry is kept."),
      {.name = "epsilon",
       .summary = "The smallest entry of a row is kept with probability density - epsilon, the "
                  "largest with density + epsilon.",
       .scope = ParameterScope::per_input,
       .fallback = Value{0.15},
       .low = 0,
       .high = 1},
      normalize_parameter(elect),
      lambda_parameter(),
      rescale_parameter(true),
      rescale_mode_parameter("l1: by the ratio of L1 norms (MergeKit); inverse: each entry by one "
                             "over its own probability (the paper).")};
  if (elect) {
    parameters.push_back(vote_parameter());
    parameters.push_back(zero_sign_parameter());
  }
  parameters.push_back(int8_mask_parameter());
  return parameters;
}

inline void check_probabilities(std::string_view method, double density, double epsilon) {
  if (density <= 0 || density >= 1) return;  // everything or nothing: no draws
  const bool low = density - epsilon <= 0;
  if (!low && density + epsilon < 1) return;
  throw Error(ErrorKind::recipe,
              fmt::format("{}: density {} and epsilon {} give a probability of {}", method, density,
                          epsilon, low ? density - epsilon : density + epsilon))
      .hint("density - epsilon must be above 0 and density + epsilon below 1");
}

template <bool elect>
Outline della_outline(const MergeTensor& tensor) {
  // Entry by entry: ranks, sort entries, bins and lists of a row; draws and mask of a block.
  constexpr std::uint64_t kRowBytes = 64, kBlockBytes = 3;
  const Settings& settings = tensor.settings;
  for (std::size_t i = 0; i < settings.per_input.size(); ++i) {
    check_probabilities(elect ? "della" : "della_linear", settings.number("density", i),
                        settings.number("epsilon", i));
  }
  Outline outline = task_vector_outline(settings, task_vector_reductions(settings));
  outline.unit = Unit::row;
  outline.workspace =
      kRowBytes * row_size(tensor.shape) + kBlockBytes * block_size(Unit::row, tensor.shape);
  return outline;
}

template <class T, bool elect>
std::unique_ptr<Merger<T>> make_della(MergeGroup group) {
  const Settings& settings = group.tensors[0].settings;
  TaskVectorOptions options;
  if constexpr (elect) options = election_of(settings);
  // The sparsifier knows each entry's probability.
  const bool inverse = rescale_of(settings) == Rescale::inverse;
  options.rescale = inverse ? Rescale::none : rescale_of(settings);
  const bool again = task_vector_reductions(settings) != 0;
  auto sparsifier =
      drop_by_rank<T>(group, again, inverse ? Compensation::inverse : Compensation::none);
  return merge_task_vectors<T>(std::move(group), std::move(sparsifier), options);
}

}  // namespace merganser::methods
