// PEFT's rules for merging tensors of several adapters element by element (peft/utils/merge_utils):
// task arithmetic, magnitude pruning, TIES (Yadav et al. 2023) and DARE (Yu et al. 2024).
//
//   prune      magnitude: the int(density n) largest by magnitude stay; of equal ones the first
//              random: each stays with probability density, and is divided by it
//   elect      of the pruned, unweighted tensors: the sign of their sum ("total") or of the sum of
//              their signs ("frequency"), 0 as +; then the weighted mean over the adapters that
//              agree, divided by how many they are
//   without    the weighted sum
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "base/random.h"

namespace merganser {

enum class Pruning { none, magnitude, random };

struct CombineRule {
  Pruning pruning = Pruning::none;
  double density = 1;  // in (0, 1]; 1: nothing is pruned
  bool elect = false;
  bool by_frequency = false;
};

// `load(i, t)` fills t with tensor i; it is called twice for each where signs are elected.
// `streams`: of each tensor's random mask. T: float, double.
template <class T>
void combine_tensors(std::span<const double> weights, const CombineRule& rule,
                     std::span<const RandomStream> streams,
                     const std::function<void(std::size_t i, std::span<T> t)>& load,
                     std::span<T> out);

}  // namespace merganser
