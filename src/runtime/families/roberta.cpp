// RoBERTa (Liu et al. 2019, arXiv 1907.11692): BERT with positions that begin after the padding
// id, and a head of two layers.
#include "runtime/encoder.h"

namespace merganser::rt::families {
namespace {

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  EncoderTraits traits = read_bert_traits(config);
  traits.prefix = "roberta.";
  traits.padding = config.integer("pad_token_id", 1);
  traits.dense = "classifier.dense";
  traits.between = [](const at::Tensor& x) { return at::tanh(x); };
  traits.classifier = "classifier.out_proj";
  // An unused pooler, the head of pretraining.
  for (const char* name :
       {"pooler.dense.weight", "pooler.dense.bias", "lm_head.bias", "lm_head.dense.weight",
        "lm_head.dense.bias", "lm_head.layer_norm.weight", "lm_head.layer_norm.bias",
        "lm_head.decoder.weight", "lm_head.decoder.bias"}) {
    weights.ignore(name);
  }
  return build_encoder(config, weights, traits);
}

}  // namespace

extern const Family roberta;
const Family roberta{"roberta", {"roberta", "xlm-roberta", "camembert"}, "RoBERTa encoders", build};

}  // namespace merganser::rt::families
