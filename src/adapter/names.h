// The names of an adapter's tensors, as PEFT writes them.
#pragma once

#include <string>
#include <string_view>

namespace merganser {

struct AdapterName {
  enum class Part {
    a,            // X.lora_A.weight
    b,            // X.lora_B.weight
    embedding_a,  // X.lora_embedding_A
    embedding_b,  // X.lora_embedding_B
    magnitude,    // X.lora_magnitude_vector, X.lora_magnitude_vector.weight
    b_bias,       // X.lora_B.bias
    whole,        // a tensor of the base: X.T, X.base_layer.T, X.modules_to_save.T
    original,     // X.original_module.T, which a whole one replaces
  };

  Part part = Part::whole;
  std::string module;   // X, without "base_model.model."; of a whole one the base's tensor: X.T
  std::string adapter;  // "default" in X.lora_A.default.weight; mostly ""
  bool saved = false;   // written as X.modules_to_save.T
};

// `name` as stored. Throws Error(unsupported) for one that is no LoRA adapter's in PEFT, which says
// whose it seems to be.
AdapterName parse_adapter_name(std::string_view name);

}  // namespace merganser
