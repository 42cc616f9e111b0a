// Multilayer perceptrons: hidden layers of any width, each with its norm and activation.
#include <fmt/format.h>

#include <numeric>

#include "runtime/network.h"

namespace merganser::rt::families {
namespace {

class Mlp final : public Network {
 public:
  Mlp(const Config& config, Weights& weights) : Network(NetworkConfig(config)) {
    const std::vector<std::int64_t> shape = value_shape();
    std::int64_t width =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    const std::vector<std::int64_t> sizes = read_sizes(config, "hidden_sizes");
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      layers_.push_back({weights.linear(fmt::format("layers.{}.linear", i), width, sizes[i], true,
                                        Init::he(width)),
                         norm(weights, fmt::format("layers.{}.norm", i), sizes[i])});
      width = sizes[i];
    }
    set_last(weights, "classifier", width);
  }

 protected:
  at::Tensor features(const at::Tensor& values) const override {
    at::Tensor x = values.flatten(1);
    for (const Layer& layer : layers_) x = config().activation(layer.norm((*layer.linear)(x)));
    return x;
  }

 private:
  struct Layer {
    std::shared_ptr<Linear> linear;
    Norm norm;
  };
  std::vector<Layer> layers_;
};

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  return std::make_unique<Mlp>(config, weights);
}

}  // namespace

extern const Family mlp;
const Family mlp{"mlp", {"mlp"}, "multilayer perceptrons", build};

}  // namespace merganser::rt::families
