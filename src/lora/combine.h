// Merges LoRA adapters of one base into one adapter (combine_methods.h has the formulas).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "base/progress.h"
#include "lora/combine_methods.h"
#include "lora/extract.h"
#include "lora/store.h"

namespace merganser {

struct CombineOptions {
  const CombineMethod* method = nullptr;
  std::vector<double> weights;  // one for each adapter
  CombineRule rule;             // pruning and election are the method's
  std::uint64_t rank = 0;       // most; 0: the adapters' largest, of `exact` what there is
  double energy = 1;            // as in RankRule
  std::uint64_t seed = 0;
  std::optional<DType> dtype;  // of the factors; none: the smallest that holds all adapters'
};

struct CombineResult {
  std::vector<WholeTensor> whole;
  std::vector<std::string> empty;             // modules whose change comes to nothing
  std::vector<std::vector<ReadTensor>> read;  // by adapter
  bool lora_bias = false;
  std::uint64_t bytes_read = 0;
};

// Fills `store`, its ranks chosen. The adapters must live as long as the result. Modules that only
// some adapters have count as zero in the others; tensors kept whole must be in all of them, and
// become their weighted mean. Memory: the largest module's factors, or dense products. Throws
// Error: mismatch (modules or tensors that do not fit each other, ranks that differ where factors
// are added), unsupported (DoRA), corrupt (NaN and infinity), usage (weights that sum to 0 where a
// mean is needed), interrupted.
CombineResult combine(const std::vector<Adapter>& adapters, const CombineOptions& options,
                      TermStore& store, Progress& progress);

}  // namespace merganser
