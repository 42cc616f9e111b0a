#include "runtime/smile_spec.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"

namespace merganser::rt {
namespace {

constexpr std::string_view kType = "smile_", kClass = "Smile";
constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kMostExperts = 4096;

std::int64_t within(const Config& config, const std::string& key, std::int64_t least,
                    std::int64_t most) {
  const std::int64_t value = config.integer(key);
  if (value < least || value > most) {
    throw Error(ErrorKind::corrupt,
                fmt::format("'{}' is {}, it has to be from {} to {}", key, value, least, most))
        .in_file(config.place());
  }
  return value;
}

Error wrong(const Config& config, const std::string& module, const std::string& what) {
  return Error(ErrorKind::corrupt, fmt::format("smile: {}: {}", module, what))
      .in_file(config.place());
}

SmileModuleSpec read_module(const Config& config, const std::string& name, std::int64_t experts,
                            std::int64_t per_token) {
  SmileModuleSpec module;
  module.ranks = config.integers("ranks");
  if (static_cast<std::int64_t>(module.ranks.size()) != experts) {
    throw wrong(config, name, fmt::format("{} ranks for {} experts", module.ranks.size(), experts));
  }
  for (const std::int64_t rank : module.ranks) {
    if (rank < 0) throw wrong(config, name, "a rank is negative");
  }
  module.router_rank = config.integer("router_rank", 0);
  if (experts > 1 && module.router_rank < 1) throw wrong(config, name, "its router has no rank");
  module.per_token = config.integer("num_experts_per_tok", per_token);
  if (module.per_token < 1 || module.per_token > experts) {
    throw wrong(config, name, fmt::format("{} experts per token of {}", module.per_token, experts));
  }
  module.bias = config.flag("bias", false);
  module.dense = config.flag("dense", false);
  return module;
}

SmileSpec read_transformers(const Config& config, const Config& smile) {
  if (smile.integer("version") != kVersion) {
    throw Error(ErrorKind::unsupported, fmt::format("this is version {} of SMILE's layout, {} runs",
                                                    smile.integer("version"), kVersion))
        .in_file(config.place());
  }
  SmileSpec spec;
  const std::int64_t experts = within(smile, "num_experts", 1, kMostExperts);
  spec.experts = smile.texts("experts");
  if (spec.size() != experts) {
    throw Error(ErrorKind::corrupt,
                fmt::format("smile: {} names for {} experts", spec.size(), experts))
        .in_file(config.place());
  }
  const std::int64_t per_token = within(smile, "num_experts_per_tok", 1, experts);
  const auto modules = smile.find_object("modules");
  if (!modules || modules->json().empty()) {
    throw Error(ErrorKind::corrupt, "smile: no 'modules' have experts").in_file(config.place());
  }
  for (const auto& [name, value] : modules->json().items()) {
    if (!value.is_object()) throw wrong(config, name, "it is no mapping");
    spec.modules[name] = read_module(Config(value, config.place()), name, experts, per_token);
  }
  return spec;
}

SmileSpec read_fusion_bench(const Config& config) {
  SmileSpec spec;
  spec.layout = SmileLayout::fusion_bench;
  const std::int64_t experts = within(config, "num_local_experts", 1, kMostExperts);
  for (std::int64_t e = 0; e < experts; ++e) spec.experts.push_back(fmt::format("{}", e));
  spec.usual.router_rank = within(config, "rank_of_router", 1, 1 << 20);
  const std::int64_t rank = within(config, "rank_of_expert", -1, 1 << 20);
  spec.usual.dense = rank < 0;
  spec.usual.ranks.assign(static_cast<std::size_t>(experts), rank < 0 ? 0 : rank);
  spec.usual.per_token = within(config, "num_experts_per_tok", 1, experts);
  return spec;
}

}  // namespace

std::optional<SmileSpec> read_smile_spec(const Config& config) {
  if (!config.text("model_type", "").starts_with(kType)) return std::nullopt;
  const auto smile = config.find_object("smile");
  SmileSpec spec = smile ? read_transformers(config, *smile) : read_fusion_bench(config);
  spec.place = config.place();
  return spec;
}

Json base_config(const Json& config) {
  Json base = config;
  if (!base.is_object()) return base;
  const auto strip = [](Json& value, std::string_view prefix) {
    if (!value.is_string()) return;
    const std::string text = value.get<std::string>();
    if (text.starts_with(prefix)) value = text.substr(prefix.size());
  };
  if (base.contains("model_type")) strip(base["model_type"], kType);
  if (base.contains("architectures") && base["architectures"].is_array()) {
    for (Json& each : base["architectures"]) strip(each, kClass);
  }
  return base;
}

}  // namespace merganser::rt
