// Mistral (Jiang et al. 2023, arXiv 2310.06825): Llama with a window on all layers.
#include "runtime/llama_like.h"

namespace merganser::rt::families {
namespace {

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  // A config that says null has none, one that says nothing has transformers' 4096.
  const std::int64_t window =
      config.integer("sliding_window", config.contains("sliding_window") ? 0 : 4096);
  LlamaTraits traits;
  traits.window = [window](std::int64_t) { return window; };
  return build_llama_like(config, weights, traits);
}

}  // namespace

extern const Family mistral;
const Family mistral{"mistral", {"mistral"}, "Mistral decoders", build};

}  // namespace merganser::rt::families
