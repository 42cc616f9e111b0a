// Task arithmetic with task vectors of limited rank: how good a fine-tune still is when its
// difference is cut to k singular triples says what an adapter, or an expert of SMILE, of rank k
// can hold (Tang et al. 2024).
#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/error.h"
#include "linalg/multiply.h"
#include "linalg/truncated_svd.h"
#include "methods/parts/matrix_merge.h"

namespace merganser::methods {
namespace {

// What is kept of a model's task vector.
struct Cut {
  std::size_t rank;  // directions at most; no more than there can be
  double energy;     // the fewest directions that have this share of the squared norm
  bool whole;        // everything
};

Cut cut_of(const Settings& settings, std::size_t input, std::uint64_t full_rank) {
  const auto rank = settings.optional_number("rank", input);
  const auto energy = settings.optional_number("energy", input);
  if (!rank && !energy) {
    throw Error(ErrorKind::recipe,
                "low_rank_task_arithmetic: a model has neither 'rank' nor 'energy'")
        .hint(
            "give rank (64, say), energy (0.9, say) or both; rank and energy are per model, or "
            "for all of them under the recipe's 'parameters'");
  }
  if (energy && *energy == 0) {
    throw Error(ErrorKind::recipe, "low_rank_task_arithmetic: 'energy' is 0: nothing is kept")
        .hint("energy is more than 0 and at most 1; a model of weight 0 is left out");
  }
  const auto full = static_cast<double>(full_rank);
  Cut cut{static_cast<std::size_t>(std::min(rank.value_or(full), full)), energy.value_or(1), false};
  cut.whole = cut.rank == full_rank && cut.energy == 1;
  return cut;
}

double sum_of_squares(const std::vector<double>& s) {
  double sum = 0;
  for (const double value : s) sum += value * value;
  return sum;
}

// The first of these values whose squares reach `wanted`; all if they do not.
std::size_t reaching(const std::vector<double>& s, double wanted) {
  double sum = 0;
  for (std::size_t k = 0; k < s.size(); ++k) {
    sum += s[k] * s[k];
    if (sum >= wanted) return k + 1;
  }
  return s.size();
}

template <class T>
std::vector<Fact> merge(MatrixDeltas<T>& in, MatrixView<T> out) {
  Fact ranks{"ranks", {}}, kept{"energy_kept", {}}, excess{"error_bound_beyond_best", {}};
  for (std::size_t i = 0; i < in.tasks(); ++i) {
    const Cut cut = cut_of(in.settings, i, in.full_rank());
    if (cut.whole) {
      ranks.values.push_back(static_cast<double>(cut.rank));
      kept.values.push_back(1);
      excess.values.push_back(0);
      continue;
    }
    // The cut difference takes the place of the whole one.
    TruncatedSvd<T> svd =
        truncated_svd<T>(in.delta[i], {.rank = cut.rank,
                                       .excess = in.settings.number("svd_tolerance"),
                                       .element_error = in.element_error[i],
                                       .alone = true});  // the engine merges one matrix at a time
    if (cut.energy < 1) svd.s.resize(reaching(svd.s, cut.energy * svd.energy));
    svd.ut.keep_rows(svd.s.size());
    svd.vt.keep_rows(svd.s.size());
    compose<T>(std::as_const(svd.ut).view(), svd.s, svd.vt.view(), in.delta[i]);
    ranks.values.push_back(static_cast<double>(svd.s.size()));
    kept.values.push_back(svd.energy > 0 ? std::min(1.0, sum_of_squares(svd.s) / svd.energy) : 1);
    excess.values.push_back(svd.excess);
  }
  in.sum_into(out);
  return {std::move(ranks), std::move(kept), std::move(excess)};
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  return merge_matrices<T>(std::move(group), merge<T>, OtherTensors::sum);
}

std::uint64_t workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t /*tasks*/,
                        const Settings& settings) {
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < settings.per_input.size(); ++i) {
    if (settings.number("weight", i) == 0) continue;
    const Cut cut = cut_of(settings, i, std::min(rows, cols));
    if (cut.whole) continue;
    most = std::max(most, truncated_svd_workspace(rows, cols, cut.rank, sizeof(float)));
  }
  return most;
}

Outline outline(const MergeTensor& tensor) {
  const Settings& settings = tensor.settings;
  bool whole = true;
  if (merged_as_matrix(tensor)) {
    for (std::size_t i = 0; i < settings.per_input.size(); ++i) {
      if (settings.number("weight", i) == 0) continue;
      whole &= cut_of(settings, i, std::min(tensor.shape[0], tensor.shape[1])).whole;
    }
  } else {
    const bool tokens = tensor.vocabulary && settings.choice("vocabulary") != "spectral";
    if (settings.choice(tokens ? "vocabulary" : "vectors") == "base") {
      return Outline::copy_of(Outline::kCopyBase, settings.per_input.size(),
                              tokens ? "vocabulary: base" : "vectors: base");
    }
  }
  return matrix_outline(tensor, whole, workspace);
}

std::vector<Parameter> parameters() {
  std::vector<Parameter> all = matrix_parameters(
      {{.name = "rank",
        .summary = "Singular triples k that are kept of the model's task vector, the largest; "
                   "rank, energy or both must be given.",
        .scope = ParameterScope::per_input,
        .low = 1,
        .integer = true,
        .optional = true},
       {.name = "energy",
        .summary = "Keeps the fewest triples that have this share of the task vector's squared "
                   "norm, and no more than rank, without which all of them are found first.",
        .scope = ParameterScope::per_input,
        .low = 0,
        .high = 1,
        .optional = true},
       {.name = "svd_tolerance",
        .summary = "How much larger than the best possible the error of the cut may be, as a part "
                   "of it; 0 decomposes exactly.",
        .fallback = Value{1e-3},
        .low = 0,
        .high = 1},
       {.name = "vectors",
        .summary = "Tensors that are no matrices (norms, biases, convolutions): the sum of the "
                   "task vectors, or the base's.",
        .type = ParameterType::choice,
        .fallback = Value{"merge"},
        .choices = {"merge", "base"}}},
      1, OtherTensors::sum);
  Parameter& vocabulary = all.back();
  vocabulary.summary =
      "Embeddings and output heads: the sum of the whole task vectors, the base's, or cut like the "
      "other matrices (slow).";
  vocabulary.choices = {"sum", "base", "spectral"};
  return all;
}

}  // namespace

extern const Descriptor low_rank_task_arithmetic;
const Descriptor low_rank_task_arithmetic = {
    .name = "low_rank_task_arithmetic",
    .title = "Low-rank task arithmetic",
    .summary =
        "Cuts each task vector of a matrix to its largest singular triples and adds them up "
        "with weights; of one model, what an adapter of that rank can hold of it.",
    .formula =
        "d_i = w_i (x_i - b) = U_i S_i V_i^T;  y = b + lambda sum_i U_i,k S_i,k V_i,k^T, "
        "the first k = rank triples;  no matrix: y = b + lambda sum_i d_i",
    .paper =
        "Tang et al. 2024, SMILE, arXiv 2408.10174 (low-rank fine-tunes); Ilharco et al. "
        "2022, Editing models with task arithmetic, arXiv 2212.04089",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = parameters(),
    .blas = true,
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
