// The decoder that Llama, Mistral and Qwen share: RMSNorm, rotary positions, grouped-query
// attention, a gated MLP. A family says what is its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/model.h"

namespace merganser::rt {

struct LlamaTraits {
  bool qkv_bias = false;  // biases of q, k and v
  bool out_bias = false;  // and of the attention's output
  bool mlp_bias = false;
  bool head_norm = false;     // RMSNorm of each head's q and k (Qwen3)
  std::int64_t head_dim = 0;  // where config.json has none; 0: hidden_size / heads
  // Tokens that a layer sees, itself included; 0: all. Absent: all layers see all.
  std::function<std::int64_t(std::int64_t layer)> window;
};

// Causal language models, bare models, and models whose head classifies a text by its last token
// (`score`), as config.json's `architectures` says.
std::unique_ptr<Model> build_llama_like(const Config& config, Weights& weights,
                                        const LlamaTraits& traits);

// Qwen's windows: `layer_types`, else from layer `max_window_layers` on, if `use_sliding_window`.
std::function<std::int64_t(std::int64_t)> qwen_windows(const Config& config);

}  // namespace merganser::rt
