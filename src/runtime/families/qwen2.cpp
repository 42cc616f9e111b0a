// Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv 2407.10671): Llama with biases of q, k and v.
#include "runtime/llama_like.h"

namespace merganser::rt::families {
namespace {

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  LlamaTraits traits;
  traits.qkv_bias = true;
  traits.window = qwen_windows(config);
  return build_llama_like(config, weights, traits);
}

}  // namespace

extern const Family qwen2;
const Family qwen2{"qwen2", {"qwen2"}, "Qwen2 decoders", build};

}  // namespace merganser::rt::families
