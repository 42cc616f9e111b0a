// VGG (Simonyan & Zisserman 2014, arXiv 1409.1556): stages of 3x3 convolutions, each stage ended by
// max pooling; names as torchvision's, "features.N" counting layers without parameters too.
#include <fmt/format.h>

#include "base/error.h"
#include "runtime/network.h"

namespace merganser::rt::families {
namespace {

class Vgg final : public Network {
 public:
  Vgg(const Config& config, Weights& weights) : Network(NetworkConfig(config)) {
    const bool bias = config.flag("conv_bias", true);
    auto [channels, height, width] = this->config().image(config);
    const std::vector<std::int64_t> sizes = read_sizes(config, "hidden_sizes");
    const std::vector<std::int64_t> depths = read_sizes(config, "depths");
    if (sizes.empty() || sizes.size() != depths.size()) {
      throw Error(ErrorKind::corrupt, "'hidden_sizes' and 'depths' have an entry for each stage")
          .in_file(config.place());
    }
    const bool normed = this->config().norm != NormKind::none;
    std::int64_t index = 0;
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      for (std::int64_t i = 0; i < depths[s]; ++i) {
        Layer layer;
        layer.convolution = Convolution(weights, fmt::format("features.{}", index++), channels,
                                        sizes[s], 3, 1, bias);
        if (normed) layer.norm = norm(weights, fmt::format("features.{}", index++), sizes[s]);
        ++index;  // the activation
        channels = sizes[s];
        layer.pool = i + 1 == depths[s];
        layers_.push_back(std::move(layer));
      }
      ++index;  // the pooling
      height /= 2;
      width /= 2;
    }
    pooled_ = config.integer("pooled_size", 0);
    if (height < 1 || width < 1 || pooled_ < 0) {
      throw Error(ErrorKind::corrupt,
                  fmt::format("{} stages halve the image to nothing", sizes.size()))
          .in_file(config.place());
    }
    std::int64_t features = channels * (pooled_ > 0 ? pooled_ * pooled_ : height * width);
    const std::vector<std::int64_t> hidden = read_sizes(config, "classifier_sizes");
    for (std::size_t i = 0; i < hidden.size(); ++i) {
      // Between two layers torchvision has an activation and dropout.
      classifier_.push_back(weights.linear(fmt::format("classifier.{}", 3 * i), features, hidden[i],
                                           true, Init::he(features)));
      features = hidden[i];
    }
    set_last(weights,
             hidden.empty() ? "classifier" : fmt::format("classifier.{}", 3 * hidden.size()),
             features);
  }

 protected:
  at::Tensor features(const at::Tensor& values) const override {
    at::Tensor x = values;
    for (const Layer& layer : layers_) {
      x = config().activation(layer.norm(layer.convolution(x)));
      if (layer.pool) x = at::max_pool2d(x, 2);
    }
    if (pooled_ > 0) x = at::adaptive_avg_pool2d(x, {pooled_, pooled_});
    x = x.flatten(1);
    for (const auto& linear : classifier_) x = config().activation((*linear)(x));
    return x;
  }

 private:
  struct Layer {
    Convolution convolution;
    Norm norm;
    bool pool = false;
  };
  std::vector<Layer> layers_;
  std::int64_t pooled_ = 0;  // each side of the last feature map, averaged to this; 0: as it is
  std::vector<std::shared_ptr<Linear>> classifier_;
};

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  return std::make_unique<Vgg>(config, weights);
}

}  // namespace

extern const Family vgg;
const Family vgg{"vgg", {"vgg"}, "VGG", build};

}  // namespace merganser::rt::families
