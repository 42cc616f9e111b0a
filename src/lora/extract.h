// Extracts a LoRA: the difference of a fine-tuned model from its base, module by module, as
// factors of low rank (by singular values: Eckart and Young 1936; as in mergekit-extract-lora).
//
//   D = fine-tuned - base = U S V^T      D [out, in] of a linear module
//   A = S_r^1/2 V_r^T, B = U_r S_r^1/2    the r largest; without distribute_scale A = S_r V_r^T
//   embeddings, and weights that lie [in, out]: of D^T
// In the working precision of merges: f32, f64 for f64 inputs; the decomposition in f64.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "lora/extract_plan.h"
#include "lora/store.h"
#include "lora/write_adapter.h"
#include "source/source.h"

namespace merganser {

struct ExtractOptions {
  RankRule rule;
  std::uint64_t budget = 0;    // bytes of all factors; 0: no limit
  std::optional<DType> dtype;  // of the factors; none: of the stored tensors
};

struct ReadTensor {
  std::string name, hash;
};

struct ExtractResult {
  std::vector<WholeTensor> whole;          // of modules and biases that changed
  std::vector<std::string> saved_modules;  // modules_to_save
  bool biases = false;                     // some are biases of LoRA modules
  std::vector<std::string> unchanged;      // modules
  std::vector<Skipped> left_out;           // those of the plan that changed, and empty modules
  std::vector<ReadTensor> base_read, tuned_read;
  std::uint64_t bytes_read = 0;
};

// Fills `store`, its ranks chosen. The sources must live as long as the result. Memory: the largest
// module's matrices. Throws Error: NaN or infinity, interrupted.
ExtractResult extract(const ExtractPlan& plan, const std::vector<TensorPair>& pairs,
                      const Source& base, const Source& tuned, const ExtractOptions& options,
                      TermStore& store, Progress& progress);

}  // namespace merganser
