// DistilBERT (Sanh et al. 2019, arXiv 1910.01108): BERT without token types and pooler.
#include "base/error.h"
#include "runtime/encoder.h"

namespace merganser::rt::families {
namespace {

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  EncoderTraits traits;
  traits.prefix = "distilbert.";
  traits.vocabulary = config.size("vocab_size");
  traits.width = config.size("dim");
  traits.inner = config.size("hidden_dim");
  traits.layers = config.size("n_layers");
  traits.heads = config.size("n_heads");
  traits.positions = config.size("max_position_embeddings");
  traits.deviation = config.number("initializer_range", 0.02);
  traits.activation = config.text("activation", "gelu");
  traits.layer = "transformer.layer.";
  traits.q = "attention.q_lin";
  traits.k = "attention.k_lin";
  traits.v = "attention.v_lin";
  traits.out = "attention.out_lin";
  traits.attention_norm = "sa_layer_norm";
  traits.up = "ffn.lin1";
  traits.down = "ffn.lin2";
  traits.norm = "output_layer_norm";
  traits.dense = "pre_classifier";
  traits.between = [](const at::Tensor& x) { return at::relu(x); };
  traits.classifier = "classifier";
  for (const char* name :  // the head of pretraining
       {"vocab_transform.weight", "vocab_transform.bias", "vocab_layer_norm.weight",
        "vocab_layer_norm.bias", "vocab_projector.weight", "vocab_projector.bias"}) {
    weights.ignore(name);
  }
  return build_encoder(config, weights, traits);
}

}  // namespace

extern const Family distilbert;
const Family distilbert{"distilbert", {"distilbert"}, "DistilBERT encoders", build};

}  // namespace merganser::rt::families
