// A model that runs: built by its family from a config and weights.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/batch_norm.h"
#include "runtime/config.h"
#include "runtime/linear.h"
#include "runtime/placement.h"
#include "runtime/routing.h"
#include "runtime/weights.h"

namespace merganser::rt {

// Inputs of B examples.
struct Batch {
  at::Tensor ids;     // int64 [B, T]; of language models
  at::Tensor mask;    // bool [B, T], true for tokens, padding on the right; undefined: all are
  at::Tensor types;   // int64 [B, T], token types of BERT; undefined: all 0
  at::Tensor values;  // [B, ...]; of networks on arrays: images [B, C, H, W]
};

// Keys and values of the tokens so far, a layer each: [B, kv_heads, T, head_dim].
struct KvCache {
  std::vector<std::pair<at::Tensor, at::Tensor>> layers;
  std::int64_t length() const {
    return layers.empty() || !layers.front().first.defined() ? 0 : layers.front().first.size(2);
  }
};

enum class ModelKind {
  decoder,  // hidden() [B, T, D] of a causal language model, logits() [B, T, V]
  encoder,  // hidden() [B, T, D]; logits() [B, C] where the checkpoint has a head: also decoders
            // that classify
  network,  // hidden() [B, D]: what its last layer sees; logits() [B, C]
};

class Model {
 public:
  virtual ~Model() = default;
  virtual ModelKind kind() const = 0;
  // Rows of padding hold numbers without meaning.
  virtual at::Tensor hidden(const Batch& batch) const = 0;
  // The checkpoint's own head over what hidden() returned. Error(usage) where it has none.
  virtual bool has_head() const = 0;
  virtual at::Tensor head(const at::Tensor& hidden, const Batch& batch) const = 0;
  at::Tensor logits(const Batch& batch) const { return head(hidden(batch), batch); }
  // Of decoders: hidden states [B, T, D] of T more tokens, which join the cache.
  virtual at::Tensor extend(const at::Tensor& ids, KvCache& cache) const;

  virtual std::int64_t vocabulary() const { return 0; }    // ids are below; 0: takes no ids
  virtual std::int64_t token_types() const { return 0; }   // Batch::types are below; 0: none
  virtual std::int64_t longest() const { return 0; }       // tokens of a text; 0: any number
  virtual std::vector<std::int64_t> value_shape() const {  // of `values`, without B; empty: none
    return {};
  }
  virtual std::vector<const BatchNorm*> batch_norms() const { return {}; }

  // Live parameters by the checkpoint's names: who writes into them changes the model.
  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }
  // Of tensors(): running means and variances, which are no parameters.
  const std::set<std::string>& statistics() const { return statistics_; }
  const std::vector<std::shared_ptr<Linear>>& linears() const { return linears_; }
  // Of a mixture of experts (docs/smile.md): how all its layers route, to be set from outside; null
  // for any other model. And these layers, in the order in which a token meets them.
  Routing* routing() const { return routing_.get(); }
  std::vector<const SmileLinear*> mixtures() const;
  const Placement& placement() const { return placement_; }
  const std::string& family() const { return family_; }

 private:
  friend std::unique_ptr<Model> build_model(const Config& config, Weights& weights);
  std::map<std::string, at::Tensor> tensors_;
  std::set<std::string> statistics_;
  std::vector<std::shared_ptr<Linear>> linears_;
  std::shared_ptr<Routing> routing_;
  Placement placement_;
  std::string family_;
};

// A family: one file in families/, which defines `const Family NAME`.
struct Family {
  const char* name;                      // "llama"
  std::vector<const char*> model_types;  // of config.json
  const char* summary;
  std::unique_ptr<Model> (*build)(const Config& config, Weights& weights);
};

std::vector<const Family*> all_families();  // sorted by name

// Throws Error(unsupported) for a model_type that no family has, and what the family throws:
// Error(corrupt) of the config, Error(not_found, mismatch) of the weights.
std::unique_ptr<Model> build_model(const Config& config, Weights& weights);

}  // namespace merganser::rt
