#include "runtime/encoder.h"

#include <fmt/format.h>

#include "base/error.h"
#include "runtime/attention.h"
#include "runtime/class_head.h"
#include "runtime/norms.h"

namespace merganser::rt {
namespace {

class Layer {
 public:
  Layer(Weights& weights, const std::string& name, const EncoderTraits& traits,
        Activation activation)
      : heads_(traits.heads),
        activation_(activation),
        attention_norm_(weights, name + traits.attention_norm, traits.width, traits.eps),
        norm_(weights, name + traits.norm, traits.width, traits.eps) {
    const Init init = Init::normal(traits.deviation);
    const std::int64_t width = traits.width;
    q_ = weights.linear(name + traits.q, width, width, true, init);
    k_ = weights.linear(name + traits.k, width, width, true, init);
    v_ = weights.linear(name + traits.v, width, width, true, init);
    out_ = weights.linear(name + traits.out, width, width, true, init);
    up_ = weights.linear(name + traits.up, width, traits.inner, true, init);
    down_ = weights.linear(name + traits.down, traits.inner, width, true, init);
  }

  at::Tensor operator()(at::Tensor x, const at::Tensor& mask) const {
    const at::Tensor seen =
        full_attention(split_heads((*q_)(x), heads_), split_heads((*k_)(x), heads_),
                       split_heads((*v_)(x), heads_), mask);
    x = attention_norm_((*out_)(join_heads(seen)) + x);
    return norm_((*down_)(activation_((*up_)(x))) + x);
  }

 private:
  std::int64_t heads_;
  Activation activation_;
  LayerNorm attention_norm_, norm_;
  std::shared_ptr<Linear> q_, k_, v_, out_, up_, down_;
};

class Encoder final : public Model {
 public:
  Encoder(const Config& config, Weights& weights, EncoderTraits traits)
      : traits_(std::move(traits)),
        words_(table(weights, "word_embeddings", traits_.vocabulary)),
        positions_(table(weights, "position_embeddings", traits_.positions)),
        norm_(weights, traits_.prefix + "embeddings.LayerNorm", traits_.width, traits_.eps) {
    if (traits_.types > 0) types_ = table(weights, "token_type_embeddings", traits_.types);
    const Activation activation = parse_activation(traits_.activation, config.place());
    for (std::int64_t i = 0; i < traits_.layers; ++i) {
      layers_.emplace_back(weights, fmt::format("{}{}{}.", traits_.prefix, traits_.layer, i),
                           traits_, activation);
    }
    if (built_for(config, "ForSequenceClassification")) {
      const Init init = Init::normal(traits_.deviation);
      dense_ = weights.linear(traits_.dense, traits_.width, traits_.width, true, init);
      const std::int64_t classes = classes_of(config, weights, traits_.classifier);
      classifier_ = weights.linear(traits_.classifier, traits_.width, classes, true, init);
    }
    weights.ignore("embeddings.position_ids");
  }

  ModelKind kind() const override { return ModelKind::encoder; }
  bool has_head() const override { return classifier_ != nullptr; }
  std::int64_t vocabulary() const override { return traits_.vocabulary; }
  std::int64_t token_types() const override { return traits_.types; }
  std::int64_t longest() const override {
    return traits_.positions - (traits_.padding ? *traits_.padding + 1 : 0);
  }

  at::Tensor hidden(const Batch& batch) const override {
    at::Tensor x = at::embedding(words_, batch.ids) + position_vectors(batch.ids);
    if (types_.defined()) {
      x = x + (batch.types.defined() ? at::embedding(types_, batch.types) : types_.select(0, 0));
    }
    x = norm_(x);
    for (const Layer& layer : layers_) x = layer(x, batch.mask);
    return x;
  }

  at::Tensor head(const at::Tensor& hidden, const Batch& /*batch*/) const override {
    if (!classifier_) {
      throw Error(ErrorKind::usage, "the checkpoint has no classification head of its own");
    }
    return (*classifier_)(traits_.between((*dense_)(hidden.select(1, 0))));
  }

 private:
  at::Tensor table(Weights& weights, const std::string& name, std::int64_t rows) const {
    return weights.tensor(traits_.prefix + "embeddings." + name + ".weight", {rows, traits_.width},
                          Init::normal(traits_.deviation));
  }

  at::Tensor position_vectors(const at::Tensor& ids) const {
    if (!traits_.padding) return positions_.narrow(0, 0, ids.size(1));
    const at::Tensor token = ids.ne(*traits_.padding).to(at::kLong);
    return at::embedding(positions_, token.cumsum(1) * token + *traits_.padding);
  }

  EncoderTraits traits_;
  at::Tensor words_, positions_, types_;
  LayerNorm norm_;
  std::vector<Layer> layers_;
  std::shared_ptr<Linear> dense_, classifier_;
};

}  // namespace

EncoderTraits read_bert_traits(const Config& config) {
  EncoderTraits traits;
  traits.vocabulary = config.size("vocab_size");
  traits.width = config.size("hidden_size");
  traits.inner = config.size("intermediate_size");
  traits.layers = config.size("num_hidden_layers");
  traits.heads = config.size("num_attention_heads");
  traits.positions = config.size("max_position_embeddings");
  traits.types = config.size("type_vocab_size");
  traits.eps = config.number("layer_norm_eps", 1e-12);
  traits.deviation = config.number("initializer_range", 0.02);
  traits.activation = config.text("hidden_act", "gelu");
  if (config.flag("is_decoder", false) || config.flag("add_cross_attention", false)) {
    throw Error(ErrorKind::unsupported, "encoders that are used as decoders cannot be run")
        .in_file(config.place());
  }
  if (const std::string kind = config.text("position_embedding_type", "absolute");
      kind != "absolute") {
    throw Error(ErrorKind::unsupported, fmt::format("positions of type '{}' cannot be run", kind))
        .in_file(config.place());
  }
  return traits;
}

std::unique_ptr<Model> build_encoder(const Config& config, Weights& weights,
                                     const EncoderTraits& traits) {
  if (traits.width % traits.heads != 0) {
    throw Error(ErrorKind::corrupt,
                fmt::format("{} heads cannot share a width of {}", traits.heads, traits.width))
        .in_file(config.place());
  }
  if (traits.padding && (*traits.padding < 0 || *traits.padding + 1 >= traits.positions)) {
    throw Error(ErrorKind::corrupt,
                fmt::format("'pad_token_id' {} leaves no room for positions", *traits.padding))
        .in_file(config.place());
  }
  weights.optional_prefix(traits.prefix);
  return std::make_unique<Encoder>(config, weights, traits);
}

}  // namespace merganser::rt
