// What becomes of each module of a fine-tuned model when a LoRA is extracted from it; by names,
// shapes and options alone.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/adapter.h"
#include "architecture/architecture.h"
#include "base/tensor_info.h"
#include "recipe/setting.h"

namespace merganser {

// One name of base and fine-tuned model, and where it stands in each one's headers.
struct TensorPair {
  std::string name;
  std::optional<std::size_t> base, tuned;
  const TensorInfo* base_info = nullptr;
  const TensorInfo* tuned_info = nullptr;
};

struct ExtractSelection {
  std::vector<std::string> save_modules;  // names or last parts: at full rank
  std::vector<Filter> include, exclude;   // regular expressions on module names
  bool embed_lora = false;
  bool skip_undecomposable = false;
};

struct ExtractModule {
  enum class Fate { lora, whole };

  std::string name;  // as the config's class calls it
  Fate fate = Fate::lora;
  AdapterModule::Kind kind = AdapterModule::Kind::linear;
  bool transposed = false;            // the weight is n x m of the module's product B A
  std::optional<std::size_t> weight;  // of `lora`: index of the pair
  std::vector<std::size_t> tensors;   // of `whole`: indices of all its pairs; of `lora` the others
  std::string why;                    // of `whole`
};

struct Skipped {
  std::string name, reason;
};

struct ExtractPlan {
  std::vector<ExtractModule> modules;  // in name order
  // Modules without tensors of their own that take those of another, kept whole: a head and the
  // embedding it is tied to. PEFT gives new values to the modules that it is told of, and to no
  // others that share them.
  std::vector<std::pair<std::string, std::string>> tied;
  std::vector<Skipped> left_out;  // tensors in name order, whether they changed or not
  std::vector<std::string> all;   // names of all modules of the fine-tuned model
  std::vector<std::string> notes;
};

// Linear modules and, with embed_lora, embeddings become LoRA; embeddings and heads else, norms and
// whatever is no matrix are kept whole. `pairs`: in name order. `architecture`: of the base. Throws
// Error(mismatch) for matrices whose shapes differ other than in the number of tokens.
ExtractPlan plan_extraction(const std::vector<TensorPair>& pairs, const Architecture& architecture,
                            const ExtractSelection& selection);

}  // namespace merganser
