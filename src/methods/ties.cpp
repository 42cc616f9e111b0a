// Trim, elect sign, merge (Yadav et al. 2023).
#include <fmt/format.h>

#include "base/error.h"
#include "methods/parts/task_vectors.h"

namespace merganser::methods {
namespace {

bool trims_whole_model(const Settings& settings) {
  return settings.choice("trim_scope") == "model";
}

// One threshold over the whole model needs the same inputs, densities and rules in every tensor.
void check_uniform(const MergeGroup& group) {
  const Settings& first = group.tensors[0].settings;
  const auto same_rules = [&](const Settings& settings) {
    return settings.numbers("density") == first.numbers("density") &&
           settings.choice("vote") == first.choice("vote") &&
           settings.choice("zero_sign") == first.choice("zero_sign") &&
           rescale_of(settings) == rescale_of(first);
  };
  for (const MergeTensor& tensor : group.tensors) {
    const bool same_models = tensor.models == group.tensors[0].models;
    if (same_models && same_rules(tensor.settings)) continue;
    throw Error(ErrorKind::recipe,
                same_models ? "ties: trim_scope: model needs the same density, vote, zero_sign and "
                              "rescale for every tensor"
                            : "ties: trim_scope: model needs the same models for every tensor, and "
                              "none of weight 0")
        .in_tensor(tensor.name)
        .hint("use trim_scope: tensor, or constant settings");
  }
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  const Settings& settings = group.tensors[0].settings;
  if (trims_whole_model(settings)) check_uniform(group);
  TaskVectorOptions options = election_of(settings);
  options.rescale = rescale_of(settings);
  auto sparsifier = trim_by_magnitude<T>(group);
  return merge_task_vectors<T>(std::move(group), std::move(sparsifier), options);
}

Outline outline(const MergeTensor& tensor) {
  const Settings& settings = tensor.settings;
  unsigned reductions = task_vector_reductions(settings);
  const bool whole_model = trims_whole_model(settings);
  for (const double density : settings.numbers("density")) {
    if (density > 0 && density < 1) {
      // One pass settles a tensor's thresholds; the whole model's bracket is narrowed first.
      reductions += whole_model ? 2 : 1;
      break;
    }
  }
  Outline outline = task_vector_outline(settings, reductions);
  outline.whole_model = whole_model && outline.copy == Outline::kNoCopy;
  return outline;
}

}  // namespace

extern const Descriptor ties;
const Descriptor ties = {
    .name = "ties",
    .title = "TIES",
    .summary =
        "Keeps the largest entries of each task vector, elects a sign for every element, and "
        "merges the entries that agree with it.",
    .formula =
        "d_i = top_density(x_i - b);  s = sign(sum_i w_i d_i);  "
        "y = b + lambda * sum_{sign(w_i d_i) = s} w_i d_i / sum_{same} w_i",
    .paper = "Yadav et al. 2023, TIES-Merging, arXiv 2306.01708",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = {weight_parameter(),
                   density_parameter("Share of the entries that is kept, the largest first."),
                   normalize_parameter(true),
                   lambda_parameter(),
                   {.name = "trim_scope",
                    .summary =
                        "Find the threshold in each tensor (MergeKit) or over the whole model "
                        "(the paper).",
                    .type = ParameterType::choice,
                    .fallback = Value{"tensor"},
                    .choices = {"tensor", "model"},
                    .constant = true},
                   vote_parameter(),
                   zero_sign_parameter(),
                   rescale_parameter(false),
                   rescale_mode_parameter(),
                   int8_mask_parameter()},
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
