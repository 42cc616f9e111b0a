#include "runtime/llama_like.h"

#include <fmt/format.h>

#include "base/error.h"
#include "runtime/activation.h"
#include "runtime/attention.h"
#include "runtime/rotary.h"

namespace merganser::rt {
namespace {

struct Sizes {
  std::int64_t vocabulary, width, inner, layers, heads, kv_heads, head_dim, longest;
  double eps, deviation;
  bool tied;
};

Sizes read_sizes(const Config& config) {
  Sizes sizes{};
  sizes.vocabulary = config.size("vocab_size");
  sizes.width = config.size("hidden_size");
  sizes.inner = config.size("intermediate_size");
  sizes.layers = config.size("num_hidden_layers");
  sizes.heads = config.size("num_attention_heads");
  sizes.kv_heads = config.integer("num_key_value_heads", sizes.heads);
  sizes.head_dim = config.integer("head_dim", sizes.width / sizes.heads);
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

class RmsNorm {
 public:
  RmsNorm(Weights& weights, const std::string& name, std::int64_t width, double eps)
      : weight_(weights.tensor(name + ".weight", {width}, Init::ones())), eps_(eps) {}

  at::Tensor operator()(const at::Tensor& x) const {
    return at::rms_norm(x, weight_.sizes(), weight_, eps_);
  }

 private:
  at::Tensor weight_;
  double eps_;
};

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

  // The cache's keys and values of this layer, if there is one, are replaced by the longer ones.
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
    if (cached != nullptr) {
      if (cached->first.defined()) {
        k = at::cat({cached->first, k}, 2);
        v = at::cat({cached->second, v}, 2);
      }
      *cached = {k, v};
    }
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

class LlamaLike final : public Model {
 public:
  LlamaLike(const Config& config, Weights& weights, const LlamaTraits& traits)
      : sizes_(read_sizes(config)),
        rotary_(config, sizes_.head_dim),
        embedding_(weights.tensor("model.embed_tokens.weight", {sizes_.vocabulary, sizes_.width},
                                  Init::normal(sizes_.deviation))),
        norm_(weights, "model.norm", sizes_.width, sizes_.eps) {
    const Activation activation =
        parse_activation(config.text("hidden_act", "silu"), config.place());
    for (std::int64_t i = 0; i < sizes_.layers; ++i) {
      const auto index = static_cast<std::size_t>(i);
      const std::int64_t window = index < traits.windows.size() ? traits.windows[index] : 0;
      layers_.emplace_back(weights, fmt::format("model.layers.{}", i), sizes_, traits, window,
                           activation);
    }
    if (sizes_.tied) {
      weights.ignore("lm_head.weight");
    } else {
      head_ = weights.linear("lm_head", sizes_.width, sizes_.vocabulary, false,
                             Init::normal(sizes_.deviation));
    }
    weights.ignore("rotary_emb.inv_freq");
  }

  ModelKind kind() const override { return ModelKind::decoder; }
  bool has_head() const override { return true; }
  std::int64_t vocabulary() const override { return sizes_.vocabulary; }
  std::int64_t longest() const override { return sizes_.longest; }

  at::Tensor hidden(const Batch& batch) const override {
    return run(batch.ids, batch.mask, nullptr);
  }
  at::Tensor extend(const at::Tensor& ids, KvCache& cache) const override {
    cache.layers.resize(layers_.size());
    return run(ids, {}, &cache);
  }
  at::Tensor head(const at::Tensor& hidden, const Batch& /*batch*/) const override {
    return head_ ? (*head_)(hidden) : at::linear(hidden, embedding_);
  }

 private:
  at::Tensor run(const at::Tensor& ids, const at::Tensor& mask, KvCache* cache) const {
    at::Tensor x = at::embedding(embedding_, ids);
    const std::int64_t past =
        cache != nullptr && cache->layers.front().first.defined() ? cache->length() : 0;
    const std::int64_t count = ids.size(1);
    const Rotary::Angles angles = rotary_.angles(past, count, embedding_.options());
    at::Tensor allowed;
    std::int64_t window = -1;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (layers_[i].window() != window) {
        window = layers_[i].window();
        allowed = causal_mask(mask, past, count, window, x.device());
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
  std::shared_ptr<Linear> head_;
};

}  // namespace

std::unique_ptr<Model> build_llama_like(const Config& config, Weights& weights,
                                        const LlamaTraits& traits) {
  weights.optional_prefix("model.");
  return std::make_unique<LlamaLike>(config, weights, traits);
}

}  // namespace merganser::rt
