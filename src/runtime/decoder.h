// What causal decoders share: their head, and that texts are run whole or token by token.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/model.h"

namespace merganser::rt {

// Causal language models, bare models, and models whose head classifies a text by its last token
// (`score`), as config.json's `architectures` says.
class Decoder : public Model {
 public:
  ModelKind kind() const override { return score_ ? ModelKind::encoder : ModelKind::decoder; }
  bool has_head() const override { return score_ || head_ || tied_.defined(); }
  at::Tensor hidden(const Batch& batch) const override { return run(batch.ids, nullptr); }
  at::Tensor extend(const at::Tensor& ids, KvCache& cache) const override;
  at::Tensor head(const at::Tensor& hidden, const Batch& batch) const override;

 protected:
  // `embedding` [V, D] is the head as well where they are tied.
  void add_head(const Config& config, Weights& weights, const at::Tensor& embedding, bool tied,
                const Init& init);

 private:
  virtual std::int64_t layers() const = 0;
  // Hidden states [B, T, D] of ids [B, T], behind those in the cache where there is one, which has
  // a place for each layer. Padding stands on the right, where no token looks: masks make no
  // difference.
  virtual at::Tensor run(const at::Tensor& ids, KvCache* cache) const = 0;

  at::Tensor tied_;
  std::shared_ptr<Linear> head_, score_;
};

}  // namespace merganser::rt
