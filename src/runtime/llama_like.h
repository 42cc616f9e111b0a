// The decoder that Llama, Mistral and Qwen share: RMSNorm, rotary positions, grouped-query
// attention, a gated MLP. A family says what is its own.
#pragma once

#include <memory>

#include "runtime/model.h"

namespace merganser::rt {

struct LlamaTraits {
  bool qkv_bias = false;  // biases of q, k and v
  bool out_bias = false;  // and of the attention's output
  bool mlp_bias = false;
  bool head_norm = false;             // RMSNorm of each head's q and k (Qwen3)
  std::vector<std::int64_t> windows;  // tokens that a layer sees, 0: all; empty: all layers all
};

std::unique_ptr<Model> build_llama_like(const Config& config, Weights& weights,
                                        const LlamaTraits& traits);

}  // namespace merganser::rt
