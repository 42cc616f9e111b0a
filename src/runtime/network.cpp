#include "runtime/network.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace merganser::rt {
namespace {

constexpr std::size_t kMostSizes = 10000;
constexpr std::int64_t kMostValues = std::int64_t{1} << 31;

NormKind read_norm(const Config& config) {
  const std::string name = config.text("norm", "none");
  if (name == "none") return NormKind::none;
  if (name == "batch") return NormKind::batch;
  if (name == "layer") return NormKind::layer;
  if (name.starts_with("group") || name.starts_with("Group")) {
    throw Error(ErrorKind::unsupported, "group normalisation is not run")
        .in_file(config.place())
        .hint("its groups of channels do not survive permutations; none, batch or layer");
  }
  throw Error(ErrorKind::unsupported, fmt::format("unknown norm '{}'", name))
      .in_file(config.place())
      .hint("none, batch or layer");
}

}  // namespace

NetworkConfig::NetworkConfig(const Config& config)
    : input_shape(read_sizes(config, "input_shape")),
      classes(config.size("num_labels")),
      norm(read_norm(config)),
      eps(config.number("norm_eps", 1e-5)),
      activation(parse_activation(config.text("hidden_act", "relu"), config.place())) {
  if (input_shape.empty()) {
    throw Error(ErrorKind::corrupt, "there is no 'input_shape'").in_file(config.place());
  }
  std::int64_t values = 1;
  for (const std::int64_t size : input_shape) {
    if (size > kMostValues / values) {
      throw Error(ErrorKind::corrupt, "an input of 'input_shape' has more than 2^31 numbers")
          .in_file(config.place());
    }
    values *= size;
  }
  if (!(eps > 0)) {
    throw Error(ErrorKind::corrupt, "'norm_eps' is not above 0").in_file(config.place());
  }
}

std::array<std::int64_t, 3> NetworkConfig::image(const Config& config) const {
  if (input_shape.size() != 3) {
    throw Error(ErrorKind::corrupt, "'input_shape' of images is [channels, height, width]")
        .in_file(config.place());
  }
  return {input_shape[0], input_shape[1], input_shape[2]};
}

std::vector<std::int64_t> read_sizes(const Config& config, const std::string& key) {
  std::vector<std::int64_t> sizes = config.integers(key);
  if (sizes.size() > kMostSizes) {
    throw Error(ErrorKind::corrupt, fmt::format("'{}' lists more than {}", key, kMostSizes))
        .in_file(config.place());
  }
  for (const std::int64_t size : sizes) {
    if (size < 1) {
      throw Error(ErrorKind::corrupt, fmt::format("'{}' has a size below 1", key))
          .in_file(config.place());
    }
  }
  return sizes;
}

Norm::Norm(Weights& weights, const std::string& name, std::int64_t width,
           const NetworkConfig& config)
    : eps_(config.eps) {
  if (config.norm == NormKind::none) return;
  const std::vector<std::int64_t> shape = {width};
  at::Tensor weight = weights.tensor(name + ".weight", shape, Init::ones());
  at::Tensor bias = weights.tensor(name + ".bias", shape, Init::zeros());
  if (config.norm == NormKind::layer) {
    weight_ = std::move(weight);
    bias_ = std::move(bias);
    return;
  }
  at::Tensor mean = weights.statistic(name + ".running_mean", shape, Init::zeros());
  at::Tensor variance = weights.statistic(name + ".running_var", shape, Init::ones());
  weights.ignore(name + ".num_batches_tracked");
  batch_ = std::make_shared<BatchNorm>(std::move(weight), std::move(bias), std::move(mean),
                                       std::move(variance), config.eps);
}

at::Tensor Norm::operator()(const at::Tensor& x) const {
  if (batch_) return (*batch_)(x);
  if (!weight_.defined()) return x;
  const auto normed = [&](const at::Tensor& last) {
    return at::layer_norm(last, weight_.sizes(), weight_, bias_, eps_);
  };
  return x.dim() == 2 ? normed(x) : normed(x.movedim(1, -1)).movedim(-1, 1);
}

Convolution::Convolution(Weights& weights, const std::string& name, std::int64_t in,
                         std::int64_t out, std::int64_t kernel, std::int64_t stride, bool bias)
    : weight_(weights.tensor(name + ".weight", {out, in, kernel, kernel},
                             Init::he(in * kernel * kernel))),
      stride_(stride),
      padding_(kernel / 2) {
  if (bias) bias_ = weights.tensor(name + ".bias", {out}, Init::zeros());
}

at::Tensor Convolution::operator()(const at::Tensor& x) const {
  return at::conv2d(x, weight_, bias_, stride_, padding_);
}

Norm Network::norm(Weights& weights, const std::string& name, std::int64_t width) {
  Norm made(weights, name, width, config_);
  if (made.batch() != nullptr) norms_.push_back(made.batch());
  return made;
}

void Network::set_last(Weights& weights, const std::string& name, std::int64_t width) {
  last_ = weights.linear(name, width, config_.classes, true,
                         Init::normal(1 / std::sqrt(static_cast<double>(width))));
}

}  // namespace merganser::rt
