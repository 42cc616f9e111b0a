// The common course of the task-arithmetic family:
//   d_i = sparsify(x_i - b);  d_i *= rescale_i;  y = b + lambda * consensus(w_i d_i)
// A method picks the parts; nothing here knows a method's name.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "kernels/consensus.h"
#include "method/descriptor.h"
#include "methods/parts/sparsifier.h"

namespace merganser::methods {

enum class Rescale {
  none,
  l1,       // by |d|_1 / |sparsified d|_1 of the tensor (MergeKit)
  inverse,  // by 1 / density (DARE's paper)
};

enum class ZeroSign {
  positive,  // a sum of exactly 0 elects + (MergeKit)
  majority,  // the sign that most elements of the group elected (TIES' own code)
};

struct TaskVectorOptions {
  Rescale rescale = Rescale::none;
  bool elect = false;     // keep only entries whose sign wins; else plain sum
  bool by_count = false;  // vote by sign alone instead of by mass
  ZeroSign zero_sign = ZeroSign::positive;
};

template <class T>
std::unique_ptr<Merger<T>> merge_task_vectors(MergeGroup group,
                                              std::unique_ptr<Sparsifier<T>> sparsifier,
                                              const TaskVectorOptions& options);

// Parameters that the family shares, with MergeKit's names and defaults.
Parameter weight_parameter();
Parameter density_parameter(std::string_view summary);
Parameter normalize_parameter(bool fallback);
Parameter lambda_parameter();
Parameter int8_mask_parameter();  // accepted; never had an effect on numbers
Parameter rescale_parameter(bool fallback);
Parameter rescale_mode_parameter();
Parameter rescale_mode_parameter(std::string_view summary);  // where `inverse` is another's
Parameter vote_parameter();
Parameter zero_sign_parameter();

Rescale rescale_of(const Settings& settings);
TaskVectorOptions election_of(const Settings& settings);  // elect with vote and zero_sign

// Full passes that rescaling and votes need before the writing one; not the sparsifier's own.
unsigned task_vector_reductions(const Settings& settings);

// Zero weights are not read; all zero, or lambda 0: the base is copied. `reductions`: full passes
// before the writing one.
Outline task_vector_outline(const Settings& settings, unsigned reductions);

}  // namespace merganser::methods
