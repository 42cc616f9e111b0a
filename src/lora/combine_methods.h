// The ways of merging LoRA adapters, by the names of PEFT's add_weighted_adapter.
//
// With P_i = s_i B_i A_i the change that adapter i makes to a module, w_i its weight:
//   exact, svd     sum w_i P_i, by the singular values of the stacked factors (QR)
//   cat            A = the rows w_i s_i A_i, B = the columns B_i: the same sum, of rank sum r_i
//   linear, …      A = sum sign(w_i s_i) |w_i s_i|^1/2 A_i, B = sum |w_i s_i|^1/2 B_i, or by
//                  combine_tensors: what PEFT does with factors of one rank; its product is not
//                  sum w_i P_i
//   ties_svd, …    combine_tensors of the dense P_i, then its singular values
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lora/combine_tensors.h"
#include "lora/terms.h"

namespace merganser {

struct CombineMethod {
  enum class Form { exact, svd, concatenation, factors, product };

  std::string_view name, summary;
  Form form = Form::exact;
  Pruning pruning = Pruning::none;
  bool elect = false;
};

std::span<const CombineMethod> combine_methods();
// Throws Error(usage) with the nearest name.
const CombineMethod& combine_method(const std::string& name);

// One adapter's part in a module, flattened: A r x n, B^T r x m.
struct ModuleFactors {
  std::size_t adapter = 0;  // its place among the merged ones: keys its random mask
  double weight = 1, scale = 1;
  Matrix<double> a, bt;
};

struct ModuleMerge {
  const CombineMethod& method;
  CombineRule rule;
  std::uint64_t seed = 0;
  std::uint64_t most = 0;  // singular terms wanted
  bool wide = false;       // dense products in f64 instead of f32
  double resolution = 0;   // as of singular_terms
};

// The merged module. Of Form::factors all ranks are equal. Throws Error(unsupported) for dense
// products of more than 2^32 elements. Random masks are keyed by seed, module,
// adapter and the part (A, B, BA) they are of, element by element.
Terms merge_module(const std::string& module, const ModuleMerge& how,
                   std::span<const ModuleFactors> factors);

}  // namespace merganser
