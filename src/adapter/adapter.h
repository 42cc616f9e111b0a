// A LoRA adapter as PEFT saves it (adapter_config.json beside adapter_model.safetensors or
// adapter_model.bin): which modules of a base it changes, and by which factors. Headers alone; its
// base is not looked at.
//
// With s the module's scale, A and B its factors, W the base's weight of the module
// (Hu et al. 2021, LoRA):
//   linear       W' = W + s B A          W [out, in], A [r, in], B [out, r]
//                                        (transposed: W [in, out], and W' = W + s (B A)^T)
//   embedding    W' = W + s (B A)^T      W [vocab, dim], A [r, vocab], B [dim, r]
//   convolution  W' = W + s B A          W [out, in, k...], A [r, in, k...], B [out, r, 1...],
//                                        with A as [r, in k...] and B as [out, r]
// and with a magnitude m (DoRA, Liu et al. 2024), of the W' above:
//   W'' = m W' / |W'|    |.| of each row of a linear's [out, in] and of each output channel of a
//                        convolution, m [out] and [1, out, 1...]; of an embedding's columns, m
//                        [dim]
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/config.h"
#include "base/tensor_info.h"
#include "checkpoint/checkpoint.h"

namespace merganser {

struct AdapterModule {
  enum class Kind { linear, embedding, convolution };

  Kind kind = Kind::linear;
  std::string name;                      // in the base: "model.layers.0.self_attn.q_proj"
  std::size_t a = 0, b = 0;              // indices in weights().tensors(), as those below
  std::optional<std::size_t> magnitude;  // of DoRA
  std::optional<std::size_t> bias;       // of B, [out]: b' = b + s bias
  std::uint64_t rank = 0;                // of A and B
  double scale = 1;                      // s: alpha / rank, or alpha / sqrt(rank)
  // Of the base's weight: [out, in], [vocab, dim], [out, in, k...]. For a linear module of a base
  // whose weights are [in, out], the other way round.
  Shape shape;
};

// A tensor that takes the place of the base's, or that the base need not have (a new head).
struct AdapterTensor {
  std::string name;        // in the base: "classifier.weight"
  std::size_t tensor = 0;  // index in weights().tensors()
};

class Adapter {
 public:
  // A folder, or the adapter_model file in one. Throws Error: not_found; unsupported (another kind
  // of adapter than LoRA, a variant that is not computed, another program's format); corrupt and
  // mismatch (factors that do not fit each other or the config, a tensor of no known part).
  static Adapter open(const std::filesystem::path& path);
  // The same of weights and a config that are open already. `config_path` is for messages.
  static Adapter from(Checkpoint weights, AdapterConfig config, std::string config_path);

  const AdapterConfig& config() const { return config_; }
  const std::string& config_text() const { return config_text_; }
  const Checkpoint& weights() const { return weights_; }
  const std::vector<AdapterModule>& modules() const { return modules_; }    // sorted by name
  const std::vector<AdapterTensor>& replaced() const { return replaced_; }  // sorted by name
  // Of weights().tensors(): copies that PEFT saved beside what counts (original_module, or
  // modules_to_save a second time), which nothing reads.
  const std::vector<std::size_t>& unread() const { return unread_; }

 private:
  explicit Adapter(Checkpoint weights) : weights_(std::move(weights)) {}

  AdapterConfig config_;
  std::string config_text_;
  Checkpoint weights_;
  std::vector<AdapterModule> modules_;
  std::vector<AdapterTensor> replaced_;
  std::vector<std::size_t> unread_;
};

}  // namespace merganser
