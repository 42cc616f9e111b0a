// Figures of several tensors together: from sums and counts, as if they were one long vector; never
// means of the tensors' own figures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analyze/figures.h"
#include "analyze/inputs.h"

namespace merganser {

struct ChangeFigures {
  double norm = 0;                 // |D_i|
  std::optional<double> relative;  // to |W_0|; none where that is 0
  std::optional<double> share;     // of the fine-tune's whole squared change
  // Means over the tensors that have zones, weighted by their squared change. k is 0.
  std::optional<Zones> zones;
};

struct PairFigures {
  std::optional<double> cosine;             // none where a change is 0
  std::optional<double> sign_conflict;      // none where no element changed in both
  std::optional<double> sign_conflict_top;  // of what is in the top of both
  std::optional<double> overlap_top;        // Jaccard; none where a change is 0
};

struct Aggregate {
  std::uint64_t elements = 0;
  double base_norm = 0;
  std::vector<ChangeFigures> changes;
  std::vector<PairFigures> pairs;
  // [method][fine-tune], relative to |D_i|; none where that is 0, or a part of the loss unknown.
  std::vector<std::vector<std::optional<double>>> losses;
};

// `whole`: squared norms of the fine-tunes' whole changes. `figures`: of inputs.tensors; those of
// `chosen` are taken together.
Aggregate aggregate(const AnalysisInputs& inputs, std::span<const TensorFigures> figures,
                    std::span<const std::size_t> chosen, std::span<const double> whole);

// |D_i|^2 of the whole fine-tunes.
std::vector<double> whole_changes(std::span<const TensorFigures> figures, std::size_t models);

// a / b, none where b is 0.
std::optional<double> quotient(double a, double b);

}  // namespace merganser
