// GPT-2 (Radford et al. 2019): learned positions, LayerNorm before each part, linear layers stored
// [in, out] as transformers' Conv1D.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "runtime/activation.h"
#include "runtime/attention.h"
#include "runtime/decoder.h"
#include "runtime/model.h"
#include "runtime/norms.h"

namespace merganser::rt::families {
namespace {

struct Sizes {
  std::int64_t vocabulary, width, inner, layers, heads, longest;
  double eps, deviation;
};

Sizes read_sizes(const Config& config) {
  Sizes sizes{};
  sizes.vocabulary = config.size("vocab_size");
  sizes.width = config.size("n_embd");
  sizes.inner = config.integer("n_inner", 4 * sizes.width);
  sizes.layers = config.size("n_layer");
  sizes.heads = config.size("n_head");
  sizes.longest = config.size("n_positions");
  sizes.eps = config.number("layer_norm_epsilon", 1e-5);
  sizes.deviation = config.number("initializer_range", 0.02);
  if (sizes.width % sizes.heads != 0) {
    throw Error(ErrorKind::corrupt,
                fmt::format("{} heads cannot share a width of {}", sizes.heads, sizes.width))
        .in_file(config.place());
  }
  if (config.flag("add_cross_attention", false)) {
    throw Error(ErrorKind::unsupported, "GPT-2 with cross attention cannot be run")
        .in_file(config.place());
  }
  return sizes;
}

class Layer {
 public:
  Layer(Weights& weights, const std::string& name, const Sizes& sizes, double scale,
        Activation activation)
      : heads_(sizes.heads),
        scale_(scale),
        activation_(activation),
        before_attention_(weights, name + ".ln_1", sizes.width, sizes.eps),
        before_mlp_(weights, name + ".ln_2", sizes.width, sizes.eps) {
    const Init init = Init::normal(sizes.deviation);
    const std::string attention = name + ".attn.", mlp = name + ".mlp.";
    qkv_ = weights.linear(attention + "c_attn", sizes.width, 3 * sizes.width, true, init, true);
    out_ = weights.linear(attention + "c_proj", sizes.width, sizes.width, true, init, true);
    up_ = weights.linear(mlp + "c_fc", sizes.width, sizes.inner, true, init, true);
    down_ = weights.linear(mlp + "c_proj", sizes.inner, sizes.width, true, init, true);
  }

  at::Tensor operator()(at::Tensor x, const at::Tensor& allowed,
                        std::pair<at::Tensor, at::Tensor>* cached) const {
    const auto parts = (*qkv_)(before_attention_(x)).chunk(3, -1);
    const at::Tensor q = split_heads(parts[0], heads_);
    at::Tensor k = split_heads(parts[1], heads_), v = split_heads(parts[2], heads_);
    if (cached != nullptr) extend_cache(*cached, k, v);
    x = x + (*out_)(join_heads(causal_attention(q, k, v, allowed, scale_)));
    return x + (*down_)(activation_((*up_)(before_mlp_(x))));
  }

 private:
  std::int64_t heads_;
  double scale_;
  Activation activation_;
  LayerNorm before_attention_, before_mlp_;
  std::shared_ptr<Linear> qkv_, out_, up_, down_;
};

class Gpt2 final : public Decoder {
 public:
  Gpt2(const Config& config, Weights& weights)
      : sizes_(read_sizes(config)),
        embedding_(weights.tensor("transformer.wte.weight", {sizes_.vocabulary, sizes_.width},
                                  Init::normal(sizes_.deviation))),
        positions_(weights.tensor("transformer.wpe.weight", {sizes_.longest, sizes_.width},
                                  Init::normal(sizes_.deviation))),
        norm_(weights, "transformer.ln_f", sizes_.width, sizes_.eps) {
    const Activation activation =
        parse_activation(config.text("activation_function", "gelu_new"), config.place());
    const double scale = config.flag("scale_attn_weights", true)
                             ? 1 / std::sqrt(static_cast<double>(sizes_.width / sizes_.heads))
                             : 1;
    const bool by_layer = config.flag("scale_attn_by_inverse_layer_idx", false);
    for (std::int64_t i = 0; i < sizes_.layers; ++i) {
      layers_.emplace_back(weights, fmt::format("transformer.h.{}", i), sizes_,
                           by_layer ? scale / static_cast<double>(i + 1) : scale, activation);
    }
    add_head(config, weights, embedding_, config.flag("tie_word_embeddings", true),
             Init::normal(sizes_.deviation));
    // Masks that old checkpoints store.
    weights.ignore(".attn.bias");
    weights.ignore(".attn.masked_bias");
  }

  std::int64_t vocabulary() const override { return sizes_.vocabulary; }
  std::int64_t longest() const override { return sizes_.longest; }

 private:
  std::int64_t layers() const override { return sizes_.layers; }

  at::Tensor run(const at::Tensor& ids, KvCache* cache) const override {
    const std::int64_t past = cache != nullptr ? cache->length() : 0;
    const std::int64_t count = ids.size(1);
    at::Tensor x = at::embedding(embedding_, ids) + positions_.narrow(0, past, count);
    const at::Tensor allowed = causal_mask(past, count, 0, x.device());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      x = layers_[i](x, allowed, cache != nullptr ? &cache->layers[i] : nullptr);
    }
    return norm_(x);
  }

  Sizes sizes_;
  at::Tensor embedding_, positions_;
  LayerNorm norm_;
  std::vector<Layer> layers_;
};

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  weights.optional_prefix("transformer.");
  return std::make_unique<Gpt2>(config, weights);
}

}  // namespace

extern const Family gpt2;
const Family gpt2{"gpt2", {"gpt2"}, "GPT-2 decoders", build};

}  // namespace merganser::rt::families
