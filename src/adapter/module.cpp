#include "adapter/module.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace merganser {
namespace {

constexpr std::uint64_t kMaxMatches = 400'000'000;  // comparisons: seconds

const TensorInfo& info(const Checkpoint& weights, std::size_t index) {
  return weights.tensors()[index].info;
}

[[noreturn]] void misfit(const TensorInfo& tensor, const std::string& expected) {
  throw Error(ErrorKind::mismatch,
              fmt::format("its shape is {}, but {} is expected", to_string(tensor.shape), expected))
      .in_tensor(tensor.name)
      .hint("the adapter's files do not belong together, or are damaged");
}

void expect_float(const TensorInfo& tensor) {
  if (is_float(tensor.dtype)) return;
  throw Error(ErrorKind::unsupported,
              fmt::format("a factor of type {}", safetensors_name(tensor.dtype)))
      .in_tensor(tensor.name)
      .hint("factors must be floats; quantised adapters are not read");
}

void expect_shape(const TensorInfo& tensor, const Shape& shape) {
  expect_float(tensor);
  if (tensor.shape != shape) misfit(tensor, to_string(shape));
}

// Sizes of 0 come from a training that was sharded and saved without gathering.
void expect_factor(const TensorInfo& tensor, bool linear) {
  expect_float(tensor);
  const bool empty = std::ranges::find(tensor.shape, 0u) != tensor.shape.end();
  const std::size_t axes = tensor.shape.size();
  if (!empty && (linear ? axes == 2 : axes >= 2 && axes <= 5)) return;
  throw Error(ErrorKind::corrupt,
              fmt::format("a factor of shape {}; {} axes without a 0 are expected",
                          to_string(tensor.shape), linear ? "2" : "2 to 5"))
      .in_tensor(tensor.name)
      .hint("a training in shards (ZeRO-3, FSDP) must gather the weights before it saves");
}

void expect_rank(const TensorInfo& a, std::uint64_t rank, const std::string& module,
                 const AdapterConfig& config) {
  const std::uint64_t told = config.rank_of(module);
  if (rank == told) return;
  throw Error(ErrorKind::mismatch,
              fmt::format("its rank is {}, but the config says {}", rank, told))
      .in_tensor(a.name)
      .hint("r and rank_pattern in adapter_config.json must be those of the weights");
}

// [out, in, k...] of [r, in, k...] and [out, r, 1...].
Shape joined_shape(const TensorInfo& a, const TensorInfo& b) {
  const std::uint64_t rank = a.shape[0];
  Shape expected(a.shape.size(), 1);
  expected[0] = b.shape.empty() ? 0 : b.shape[0];
  expected[1] = rank;
  if (b.shape != expected) {
    if (b.shape.size() == a.shape.size() && b.shape.size() > 2 && b.shape[1] < rank &&
        rank % b.shape[1] == 0) {
      throw Error(ErrorKind::unsupported, "an adapter of a convolution in groups")
          .in_tensor(b.name)
          .hint("PEFT cannot merge it either");
    }
    misfit(b, fmt::format("[out, {}{}]", rank, a.shape.size() > 2 ? ", 1…" : ""));
  }
  Shape shape = a.shape;
  shape[0] = b.shape[0];
  return shape;
}

void check_dora(const AdapterModule& module, const Checkpoint& weights,
                const AdapterConfig& config) {
  if (config.use_dora != module.magnitude.has_value()) {
    throw Error(ErrorKind::mismatch,
                module.magnitude ? "a magnitude of DoRA, but the config does not say use_dora"
                                 : "use_dora is set, but this module has no lora_magnitude_vector")
        .in_tensor(info(weights, module.magnitude.value_or(module.a)).name);
  }
  if (!module.magnitude) return;
  Shape shape = {module.shape[module.kind == AdapterModule::Kind::embedding ? 1 : 0]};
  if (module.kind == AdapterModule::Kind::convolution) {
    shape = Shape(module.shape.size(), 1);
    shape[1] = module.shape[0];
  }
  expect_shape(info(weights, *module.magnitude), shape);
}

void check_bias(const AdapterModule& module, const Checkpoint& weights,
                const AdapterConfig& config) {
  if (!module.bias) return;
  if (!config.lora_bias || module.kind == AdapterModule::Kind::embedding) {
    throw Error(ErrorKind::mismatch, "a bias of B, but the config does not say lora_bias")
        .in_tensor(info(weights, *module.bias).name);
  }
  expect_shape(info(weights, *module.bias), {module.shape[0]});
}

}  // namespace

bool ModuleParts::add(AdapterName::Part part, std::size_t index) {
  using Part = AdapterName::Part;
  std::optional<std::size_t>& place = part == Part::a             ? a
                                      : part == Part::b           ? b
                                      : part == Part::embedding_a ? embedding_a
                                      : part == Part::embedding_b ? embedding_b
                                      : part == Part::magnitude   ? magnitude
                                                                  : bias;
  if (place) return false;
  place = index;
  return true;
}

AdapterModule make_module(const std::string& name, const ModuleParts& parts,
                          const Checkpoint& weights, const AdapterConfig& config) {
  const bool embedding = parts.embedding_a || parts.embedding_b;
  const auto a = embedding ? parts.embedding_a : parts.a;
  const auto b = embedding ? parts.embedding_b : parts.b;
  if (!a || !b || (embedding && (parts.a || parts.b))) {
    throw Error(ErrorKind::corrupt,
                fmt::format("module '{}' {}", name,
                            a && b ? "is a linear layer and an embedding at once"
                                   : "has one of the factors A and B without the other"))
        .hint("copy the adapter again, or save it again in PEFT");
  }
  const TensorInfo& first = info(weights, *a);
  const TensorInfo& second = info(weights, *b);
  expect_factor(first, embedding);
  expect_factor(second, embedding);

  AdapterModule module;
  module.name = name;
  module.a = *a;
  module.b = *b;
  module.magnitude = parts.magnitude;
  module.bias = parts.bias;
  module.rank = first.shape[0];
  module.kind = embedding                ? AdapterModule::Kind::embedding
                : first.shape.size() > 2 ? AdapterModule::Kind::convolution
                                         : AdapterModule::Kind::linear;
  module.shape = joined_shape(first, second);
  if (embedding) std::swap(module.shape[0], module.shape[1]);  // the weight is [vocab, dim]
  expect_rank(first, module.rank, name, config);
  module.scale = config.scale_of(name, module.rank);
  check_dora(module, weights, config);
  check_bias(module, weights, config);
  return module;
}

void refuse_endless_matching(const AdapterConfig& config, std::size_t modules,
                             const std::string& config_path) {
  const std::uint64_t cost = config.rank_pattern.cost() + config.alpha_pattern.cost();
  if (cost == 0 || modules <= kMaxMatches / cost) return;
  throw Error(ErrorKind::unsupported,
              fmt::format("{} modules with {} patterns of ranks and alphas are too many", modules,
                          config.rank_pattern.size() + config.alpha_pattern.size()))
      .in_file(config_path)
      .hint("use fewer patterns, with regular expressions only where they are needed");
}

}  // namespace merganser
