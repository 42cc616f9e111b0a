// What the networks on arrays share (docs/networks.md): their config, norms, convolutions, and a
// last layer over what families/*.cpp compute.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/activation.h"
#include "runtime/model.h"

namespace merganser::rt {

enum class NormKind { none, batch, layer };

struct NetworkConfig {
  std::vector<std::int64_t> input_shape;  // of an example: [C, H, W], or any for an MLP
  std::int64_t classes = 0;
  NormKind norm = NormKind::none;
  double eps = 1e-5;
  Activation activation = nullptr;

  // Throws Error(corrupt, unsupported), GroupNorm by its name among them.
  explicit NetworkConfig(const Config& config);
  // The three numbers of an image's shape. Throws Error(corrupt) for another number of axes.
  std::array<std::int64_t, 3> image(const Config& config) const;
};

// The config's sizes under `key`, each at least 1 and together no more than what a checkpoint can
// list. Throws Error(corrupt).
std::vector<std::int64_t> read_sizes(const Config& config, const std::string& key);

// Over the channels of x [B, C] or [B, C, H, W]: by running statistics (batch), or the mean and
// variance of each position's channels (layer). Without a norm it does nothing.
class Norm {
 public:
  Norm() = default;
  Norm(Weights& weights, const std::string& name, std::int64_t width, const NetworkConfig& config);
  at::Tensor operator()(const at::Tensor& x) const;
  const BatchNorm* batch() const { return batch_.get(); }

 private:
  std::shared_ptr<BatchNorm> batch_;
  at::Tensor weight_, bias_;  // of a layer norm
  double eps_ = 0;
};

// A square kernel; x [B, in, H, W].
class Convolution {
 public:
  Convolution() = default;
  Convolution(Weights& weights, const std::string& name, std::int64_t in, std::int64_t out,
              std::int64_t kernel, std::int64_t stride, bool bias);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_, bias_;
  std::int64_t stride_ = 1, padding_ = 0;
};

class Network : public Model {
 public:
  explicit Network(NetworkConfig config) : config_(std::move(config)) {}
  ModelKind kind() const override { return ModelKind::network; }
  bool has_head() const override { return true; }
  std::vector<std::int64_t> value_shape() const override { return config_.input_shape; }
  std::vector<const BatchNorm*> batch_norms() const override { return norms_; }
  at::Tensor hidden(const Batch& batch) const override { return features(batch.values); }
  at::Tensor head(const at::Tensor& hidden, const Batch& /*batch*/) const override {
    return (*last_)(hidden);
  }

 protected:
  virtual at::Tensor features(const at::Tensor& x) const = 0;  // [B, D]
  Norm norm(Weights& weights, const std::string& name, std::int64_t width);
  void set_last(Weights& weights, const std::string& name, std::int64_t width);
  const NetworkConfig& config() const { return config_; }

 private:
  NetworkConfig config_;
  std::vector<const BatchNorm*> norms_;
  std::shared_ptr<Linear> last_;
};

}  // namespace merganser::rt
