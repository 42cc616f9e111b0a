// Qwen3 (Yang et al. 2025, arXiv 2505.09388), without experts: q and k of each head are normalised.
#include "runtime/llama_like.h"

namespace merganser::rt::families {
namespace {

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  LlamaTraits traits;
  traits.qkv_bias = traits.out_bias = config.flag("attention_bias", false);
  traits.head_norm = true;
  traits.head_dim = 128;
  traits.window = qwen_windows(config);
  return build_llama_like(config, weights, traits);
}

}  // namespace

extern const Family qwen3;
const Family qwen3{"qwen3", {"qwen3"}, "Qwen3 decoders", build};

}  // namespace merganser::rt::families
