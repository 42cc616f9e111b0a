#include "runtime/decoder.h"

#include "base/error.h"
#include "runtime/class_head.h"

namespace merganser::rt {

at::Tensor Decoder::extend(const at::Tensor& ids, KvCache& cache) const {
  cache.layers.resize(static_cast<std::size_t>(layers()));
  return run(ids, &cache);
}

at::Tensor Decoder::head(const at::Tensor& hidden, const Batch& batch) const {
  if (score_) return (*score_)(last_token(hidden, batch.mask));
  if (head_) return (*head_)(hidden);
  if (tied_.defined()) return at::linear(hidden, tied_);
  throw Error(ErrorKind::usage, "the checkpoint is a bare model, without a head");
}

void Decoder::add_head(const Config& config, Weights& weights, const at::Tensor& embedding,
                       bool tied, const Init& init) {
  const std::int64_t vocabulary = embedding.size(0), width = embedding.size(1);
  if (tied) tied_ = embedding;
  if (built_for(config, "ForSequenceClassification")) {
    score_ = weights.linear("score", width, classes_of(config, weights, "score"), false, init);
  } else if (tied) {
    weights.ignore("lm_head.weight");
  } else if (weights.has("lm_head.weight") || !built_for(config, "Model")) {
    head_ = weights.linear("lm_head", width, vocabulary, false, init);
  }
}

}  // namespace merganser::rt
