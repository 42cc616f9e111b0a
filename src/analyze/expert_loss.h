// What SMILE's experts carry of a change, and what they leave, by its spectrum alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "analyze/figures.h"
#include "analyze/inputs.h"
#include "smile/module.h"

namespace merganser {

// Of the change of one tensor.
struct Carried {
  bool whole = false;            // a bias beside an expert, or a difference kept as it is
  std::uint64_t rank = 0;        // singular triples; 0: nothing, as of what has no experts
  std::optional<double> energy;  // in place of the rank: the fewest with this share of |D|^2
};

// By the tensor's name; nothing is carried of others.
using CarriedByName = std::map<std::string, Carried>;

// What `smile` carries with this rank for all layers and no filters.
Carried carried_by_default(const AnalysedTensor& tensor, std::uint64_t rank);
// What a recipe's own modules carry; `plan` is the one that they were found in. Where its
// parameter_budget has yet to choose the ranks, they are those that all layers have alike.
CarriedByName carried_by(const Plan& plan, const SmileModules& modules);

// The most singular values that carried_by() rests on where a spectrum has to tell of a part:
// matrices with all of their triples need none.
std::uint64_t values_needed(const SmileModules& modules);

// Squared norm of what is left of a change. None where the spectrum is not known as far.
std::optional<double> lost_by_expert(const AnalysedTensor& tensor, const ChangeSums& change,
                                     const Carried& carried);

}  // namespace merganser
