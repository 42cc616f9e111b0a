// Llama 1 to 3 and what is built like it (Touvron et al. 2023, arXiv 2302.13971).
#include "runtime/llama_like.h"

namespace merganser::rt::families {
namespace {

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  const bool bias = config.flag("attention_bias", false);
  return build_llama_like(
      config, weights,
      {.qkv_bias = bias, .out_bias = bias, .mlp_bias = config.flag("mlp_bias", false)});
}

}  // namespace

extern const Family llama;
const Family llama{"llama", {"llama"}, "Llama decoders", build};

}  // namespace merganser::rt::families
