// For tests: a small adapter on the disk.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/testing.h"

namespace merganser::test {

// adapter_config.json with `more` (", \"r\": 2"), and the tensors, whose names lack
// "base_model.model.". Returns the folder.
inline std::filesystem::path write_adapter(const std::filesystem::path& folder,
                                           const std::string& more,
                                           std::vector<TestTensor> tensors) {
  for (TestTensor& tensor : tensors) tensor.name.insert(0, "base_model.model.");
  write_file(folder / "adapter_config.json", R"({"peft_type": "LORA")" + more + "}");
  write_safetensors(folder / "adapter_model.safetensors", tensors);
  return folder;
}

}  // namespace merganser::test
