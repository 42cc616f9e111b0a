// BERT (Devlin et al. 2019, arXiv 1810.04805) and the sentence encoders built on it.
#include "runtime/encoder.h"

namespace merganser::rt::families {
namespace {

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  EncoderTraits traits = read_bert_traits(config);
  traits.prefix = "bert.";
  traits.dense = "bert.pooler.dense";
  traits.between = [](const at::Tensor& x) { return at::tanh(x); };
  traits.classifier = "classifier";
  // A pooler without a classifier behind it, the heads of pretraining.
  for (const char* name :
       {"pooler.dense.weight", "pooler.dense.bias", "cls.predictions.bias",
        "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias",
        "cls.predictions.decoder.weight", "cls.predictions.decoder.bias",
        "cls.seq_relationship.weight", "cls.seq_relationship.bias"}) {
    weights.ignore(name);
  }
  return build_encoder(config, weights, traits);
}

}  // namespace

extern const Family bert;
const Family bert{"bert", {"bert"}, "BERT encoders", build};

}  // namespace merganser::rt::families
