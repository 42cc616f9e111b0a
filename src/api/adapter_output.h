// What extract_adapter and merge_adapters share. Private to this layer.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "layout/output_folder.h"
#include "lora/extract.h"
#include "merganser/adapter.h"

namespace merganser {

// The adapter in the making, and how it is to be described.
struct AdapterOutput {
  TermStore& store;
  std::vector<WholeTensor> whole;
  bool distribute_scale = true;
  std::string sentence;
  std::vector<std::pair<std::string, std::string>> facts;
};

// Writes all files into the folder, fills the report from the store, and gives the folder its name.
// `config` lacks the ranks, `provenance` has the kind, the inputs and the options. Throws
// Error(usage) if there are no factors.
void finish_adapter(AdapterOutput output, Json config, const Json& provenance, OutputFolder& folder,
                    bool sync, bool force, AdapterReport& report, Progress& progress);

// None for "". Throws Error(usage) for what is no float type of PEFT's.
std::optional<DType> parse_factor_dtype(const std::string& name);

// Throws Error(usage) for a share outside (0, 1].
void check_energy(double energy);

void use_threads(unsigned threads);  // of BLAS

Json to_json(const std::vector<ReadTensor>& tensors);

}  // namespace merganser
