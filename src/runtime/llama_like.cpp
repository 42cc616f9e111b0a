#include "runtime/llama_like.h"

#include <fmt/format.h>

#include "base/error.h"
#include "runtime/activation.h"
#include "runtime/attention.h"
#include "runtime/decoder.h"
#include "runtime/norms.h"
#include "runtime/rotary.h"

namespace merganser::rt {
namespace {

struct Sizes {
  std::int64_t vocabulary, width, inner, layers, heads, kv_heads, head_dim, longest;
  double eps, deviation;
  bool tied;
};

Sizes read_sizes(const Config& config, const LlamaTraits& traits) {
  Sizes sizes{};
  sizes.vocabulary = config.size("vocab_size");
  sizes.width = config.size("hidden_size");
  sizes.inner = config.size("intermediate_size");
  sizes.layers = config.size("num_hidden_layers");
  sizes.heads = config.size("num_attention_heads");
  sizes.kv_heads = config.integer("num_key_value_heads", sizes.heads);
  sizes.head_dim =
      config.integer("head_dim", traits.head_dim > 0 ? traits.head_dim : sizes.width / sizes.heads);
  sizes.longest = config.integer("max_position_embeddings", 0);
  sizes.eps = config.number("rms_norm_eps", 1e-6);
  sizes.deviation = config.number("initializer_range", 0.02);
  sizes.tied = config.flag("tie_word_embeddings", false);
  if (sizes.kv_heads < 1 || sizes.heads % sizes.kv_heads != 0) {
    throw Error(ErrorKind::corrupt,
                fmt::format("{} attention heads cannot share {} key and value heads", sizes.heads,
                            sizes.kv_heads))
        .in_file(config.place());
  }
  return sizes;
}

class Layer {
 public:
  Layer(Weights& weights, const std::string& name, const Sizes& sizes, const LlamaTraits& traits,
        std::int64_t window, Activation activation)
      : heads_(sizes.heads),
        kv_heads_(sizes.kv_heads),
        window_(window),
        activation_(activation),
        before_attention_(weights, name + ".input_layernorm", sizes.width, sizes.eps),
        before_mlp_(weights, name + ".post_attention_layernorm", sizes.width, sizes.eps) {
    const Init init = Init::normal(sizes.deviation);
    const std::string attention = name + ".self_attn.", mlp = name + ".mlp.";
    const std::int64_t all = sizes.heads * sizes.head_dim;
    const std::int64_t shared = sizes.kv_heads * sizes.head_dim;
    q_ = weights.linear(attention + "q_proj", sizes.width, all, traits.qkv_bias, init);
    k_ = weights.linear(attention + "k_proj", sizes.width, shared, traits.qkv_bias, init);
    v_ = weights.linear(attention + "v_proj", sizes.width, shared, traits.qkv_bias, init);
    o_ = weights.linear(attention + "o_proj", all, sizes.width, traits.out_bias, init);
    gate_ = weights.linear(mlp + "gate_proj", sizes.width, sizes.inner, traits.mlp_bias, init);
    up_ = weights.linear(mlp + "up_proj", sizes.width, sizes.inner, traits.mlp_bias, init);
    down_ = weights.linear(mlp + "down_proj", sizes.inner, sizes.width, traits.mlp_bias, init);
    if (traits.head_norm) {
      q_norm_.emplace(weights, attention + "q_norm", sizes.head_dim, sizes.eps);
      k_norm_.emplace(weights, attention + "k_norm", sizes.head_dim, sizes.eps);
    }
  }

  std::int64_t window() const { return window_; }

  at::Tensor operator()(at::Tensor x, const Rotary::Angles& angles, const at::Tensor& allowed,
                        std::pair<at::Tensor, at::Tensor>* cached) const {
    const at::Tensor normed = before_attention_(x);
    at::Tensor q = split_heads((*q_)(normed), heads_);
    at::Tensor k = split_heads((*k_)(normed), kv_heads_);
    at::Tensor v = split_heads((*v_)(normed), kv_heads_);
    if (q_norm_) q = (*q_norm_)(q);
    if (k_norm_) k = (*k_norm_)(k);
    q = Rotary::rotate(q, angles);
    k = Rotary::rotate(k, angles);
    if (cached != nullptr) extend_cache(*cached, k, v);
    x = x + (*o_)(join_heads(causal_attention(q, k, v, allowed)));
    const at::Tensor inner = before_mlp_(x);
    return x + (*down_)(activation_((*gate_)(inner)) * (*up_)(inner));
  }

 private:
  std::int64_t heads_, kv_heads_, window_;
  Activation activation_;
  RmsNorm before_attention_, before_mlp_;
  std::optional<RmsNorm> q_norm_, k_norm_;
  std::shared_ptr<Linear> q_, k_, v_, o_, gate_, up_, down_;
};

class LlamaLike final : public Decoder {
 public:
  LlamaLike(const Config& config, Weights& weights, const LlamaTraits& traits)
      : sizes_(read_sizes(config, traits)),
        rotary_(config, sizes_.head_dim),
        embedding_(weights.tensor("model.embed_tokens.weight", {sizes_.vocabulary, sizes_.width},
                                  Init::normal(sizes_.deviation))),
        norm_(weights, "model.norm", sizes_.width, sizes_.eps) {
    const Activation activation =
        parse_activation(config.text("hidden_act", "silu"), config.place());
    for (std::int64_t i = 0; i < sizes_.layers; ++i) {
      layers_.emplace_back(weights, fmt::format("model.layers.{}", i), sizes_, traits,
                           traits.window ? traits.window(i) : 0, activation);
    }
    add_head(config, weights, embedding_, sizes_.tied, Init::normal(sizes_.deviation));
    weights.ignore("rotary_emb.inv_freq");
  }

  std::int64_t vocabulary() const override { return sizes_.vocabulary; }
  std::int64_t longest() const override { return sizes_.longest; }

 private:
  std::int64_t layers() const override { return sizes_.layers; }

  at::Tensor run(const at::Tensor& ids, KvCache* cache) const override {
    at::Tensor x = at::embedding(embedding_, ids);
    const std::int64_t past = cache != nullptr ? cache->length() : 0;
    const std::int64_t count = ids.size(1);
    const Rotary::Angles angles = rotary_.angles(past, count, embedding_.options());
    at::Tensor allowed;
    std::int64_t window = -1;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (layers_[i].window() != window) {
        window = layers_[i].window();
        allowed = causal_mask(past, count, window, x.device());
      }
      x = layers_[i](x, angles, allowed, cache != nullptr ? &cache->layers[i] : nullptr);
    }
    return norm_(x);
  }

  Sizes sizes_;
  Rotary rotary_;
  at::Tensor embedding_;
  RmsNorm norm_;
  std::vector<Layer> layers_;
};

}  // namespace

std::function<std::int64_t(std::int64_t)> qwen_windows(const Config& config) {
  const std::vector<std::string> types = config.texts("layer_types");
  const bool used = config.flag("use_sliding_window", false);
  const std::int64_t window = used ? config.integer("sliding_window", 4096) : 0;
  if (types.empty()) {
    const std::int64_t first = config.integer("max_window_layers", 28);
    return [=](std::int64_t layer) { return layer >= first ? window : 0; };
  }
  if (static_cast<std::int64_t>(types.size()) != config.integer("num_hidden_layers")) {
    throw Error(ErrorKind::corrupt,
                fmt::format("'layer_types' has {} entries, 'num_hidden_layers' is {}", types.size(),
                            config.integer("num_hidden_layers")))
        .in_file(config.place());
  }
  for (const std::string& type : types) {
    if (type == "full_attention" || (type == "sliding_attention" && window > 0)) continue;
    throw Error(ErrorKind::unsupported, fmt::format("a layer of type '{}'", type))
        .in_file(config.place())
        .hint("full_attention, or sliding_attention with use_sliding_window, can be run");
  }
  return [=](std::int64_t layer) {
    return types[static_cast<std::size_t>(layer)] == "sliding_attention" ? window : 0;
  };
}

std::unique_ptr<Model> build_llama_like(const Config& config, Weights& weights,
                                        const LlamaTraits& traits) {
  weights.optional_prefix("model.");
  return std::make_unique<LlamaLike>(config, weights, traits);
}

}  // namespace merganser::rt
