// ResNet (He et al. 2015, arXiv 1512.03385): the small ones for CIFAR and those for ImageNet, with
// basic blocks or bottlenecks; names as torchvision's, norms under theirs ("bn1") whatever the
// kind.
#include <fmt/format.h>

#include <optional>

#include "base/error.h"
#include "runtime/network.h"

namespace merganser::rt::families {
namespace {

class Resnet final : public Network {
 public:
  Resnet(const Config& config, Weights& weights) : Network(NetworkConfig(config)) {
    const auto [channels, height, width] = this->config().image(config);
    const std::vector<std::int64_t> sizes = read_sizes(config, "hidden_sizes");
    const std::vector<std::int64_t> depths = read_sizes(config, "depths");
    if (sizes.empty() || sizes.size() != depths.size()) {
      throw Error(ErrorKind::corrupt, "'hidden_sizes' and 'depths' have an entry for each stage")
          .in_file(config.place());
    }
    bias_ = config.flag("conv_bias", this->config().norm == NormKind::none);
    bottleneck_ = one_of(config, "layer_type", "basic", "bottleneck");
    pools_ = one_of(config, "stem", "cifar", "imagenet");
    std::int64_t in = config.integer("embedding_size", bottleneck_ ? sizes[0] / 4 : sizes[0]);
    if (in < 1) {
      throw Error(ErrorKind::corrupt, "'embedding_size' is below 1").in_file(config.place());
    }
    stem_ = pools_ ? Convolution(weights, "conv1", channels, in, 7, 2, bias_)
                   : Convolution(weights, "conv1", channels, in, 3, 1, bias_);
    stem_norm_ = norm(weights, "bn1", in);
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      for (std::int64_t i = 0; i < depths[s]; ++i) {
        blocks_.push_back(block(weights, fmt::format("layer{}.{}", s + 1, i), in, sizes[s],
                                s > 0 && i == 0 ? 2 : 1, config));
        in = sizes[s];
      }
    }
    // torchvision calls the last layer fc, the usual code for CIFAR linear.
    set_last(weights, weights.has("linear.weight") ? "linear" : "fc", in);
  }

 protected:
  at::Tensor features(const at::Tensor& values) const override {
    const Activation activation = config().activation;
    at::Tensor x = activation(stem_norm_(stem_(values)));
    if (pools_) x = at::max_pool2d(x, 3, 2, 1);
    for (const Block& block : blocks_) {
      at::Tensor y = x;
      for (std::size_t i = 0; i < block.inner.size(); ++i) {
        y = block.inner[i].norm(block.inner[i].convolution(y));
        if (i + 1 < block.inner.size()) y = activation(y);
      }
      x = activation(y +
                     (block.shortcut ? block.shortcut->norm(block.shortcut->convolution(x)) : x));
    }
    return x.mean({2, 3});
  }

 private:
  struct Step {
    Convolution convolution;
    Norm norm;
  };
  struct Block {
    std::vector<Step> inner;
    std::optional<Step> shortcut;  // where the shape changes
  };

  // Whether the text under `key` is the second one; absent, it is the first.
  static bool one_of(const Config& config, const char* key, const char* first, const char* second) {
    const std::string given = config.text(key, first);
    if (given != first && given != second) {
      throw Error(ErrorKind::unsupported, fmt::format("unknown {} '{}'", key, given))
          .in_file(config.place())
          .hint(fmt::format("{} or {}", first, second));
    }
    return given == second;
  }

  Block block(Weights& weights, const std::string& name, std::int64_t in, std::int64_t out,
              std::int64_t stride, const Config& config) {
    Block made;
    const auto add = [&](int number, std::int64_t from, std::int64_t to, std::int64_t kernel,
                         std::int64_t step) {
      made.inner.push_back({Convolution(weights, fmt::format("{}.conv{}", name, number), from, to,
                                        kernel, step, bias_),
                            norm(weights, fmt::format("{}.bn{}", name, number), to)});
    };
    if (bottleneck_) {
      if (out % 4 != 0) {
        throw Error(ErrorKind::corrupt, "'hidden_sizes' of bottlenecks are multiples of 4")
            .in_file(config.place());
      }
      add(1, in, out / 4, 1, 1);
      add(2, out / 4, out / 4, 3, stride);
      add(3, out / 4, out, 1, 1);
    } else {
      add(1, in, out, 3, stride);
      add(2, out, out, 3, 1);
    }
    if (stride != 1 || in != out) {
      const bool other = weights.has(name + ".shortcut.0.weight");
      const std::string shortcut = name + (other ? ".shortcut." : ".downsample.");
      made.shortcut = {Convolution(weights, shortcut + "0", in, out, 1, stride, bias_),
                       norm(weights, shortcut + "1", out)};
    }
    return made;
  }

  bool bias_ = false, bottleneck_ = false;
  bool pools_ = false;  // ImageNet's stem: 7x7 and max pooling; else 3x3
  Convolution stem_;
  Norm stem_norm_;
  std::vector<Block> blocks_;
};

std::unique_ptr<Model> build(const Config& config, Weights& weights) {
  if (config.integers("input_shape").empty() && config.find_integer("embedding_size")) {
    throw Error(ErrorKind::unsupported, "transformers' own ResNet is not run")
        .in_file(config.place())
        .hint("docs/networks.md has the config of those that are, with torchvision's names");
  }
  return std::make_unique<Resnet>(config, weights);
}

}  // namespace

extern const Family resnet;
const Family resnet{"resnet", {"resnet"}, "ResNet", build};

}  // namespace merganser::rt::families
