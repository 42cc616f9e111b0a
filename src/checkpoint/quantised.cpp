#include "checkpoint/quantised.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace merganser {
namespace {

constexpr std::string_view kAdvice = "use the checkpoint it was quantised from";

// The method a quantization_config names; nothing where it leaves the weights as numbers.
std::optional<std::string> declared(const Json& quantisation) {
  if (quantisation.is_null()) return std::nullopt;
  if (!quantisation.is_object()) return "unknown";
  const auto is_true = [&](const char* key) {
    const auto at = quantisation.find(key);
    return at != quantisation.end() && at->is_boolean() && at->get<bool>();
  };
  const bool loads_4 = is_true("load_in_4bit"), loads_8 = is_true("load_in_8bit");
  if (loads_4 || loads_8) return loads_4 ? "bitsandbytes, 4 bits" : "bitsandbytes, 8 bits";
  const auto method = quantisation.find("quant_method");
  if (method == quantisation.end()) {
    // bitsandbytes with both switches off writes them, and stores plain numbers.
    if (quantisation.empty() || quantisation.contains("load_in_8bit")) return std::nullopt;
    return "unnamed method";
  }
  if (method->is_null()) return std::nullopt;
  if (!method->is_string()) return "unknown";
  const auto name = method->get<std::string>();
  const bool switched_off = name == "bitsandbytes" && quantisation.contains("load_in_8bit");
  return switched_off ? std::nullopt : std::optional(name);
}

// A scale beside a weight that is stored as an ordinary float is something else.
bool scales_codes(std::span<const StoredTensor> tensors, std::string_view prefix) {
  const std::string weight = std::string(prefix) + ".weight";
  const auto at = std::ranges::lower_bound(
      tensors, weight, {}, [](const StoredTensor& t) -> const std::string& { return t.info.name; });
  if (at == tensors.end() || at->info.name != weight) return true;
  return !is_float(at->info.dtype) || size_of(at->info.dtype) == 1;
}

std::optional<std::string_view> method_of(std::span<const StoredTensor> tensors,
                                          std::string_view name) {
  const auto ends = [&](std::string_view tail) { return name.ends_with(tail); };
  if (ends(".qweight") || ends(".qzeros") || ends(".g_idx")) return "GPTQ or AWQ";
  if (ends(".absmax") || ends(".quant_map") || name.find(".quant_state.") != name.npos ||
      ends(".quant_state")) {
    return "bitsandbytes, 4 bits";
  }
  if (ends(".SCB")) return "bitsandbytes, 8 bits";
  if (ends(".weight_packed")) return "compressed-tensors";
  for (const std::string_view tail : {".weight_scale_inv", ".weight_scale"}) {
    if (ends(tail) && scales_codes(tensors, name.substr(0, name.size() - tail.size()))) {
      return "scaled 8-bit weights";
    }
  }
  return std::nullopt;
}

}  // namespace

void refuse_declared_quantisation(const Json& config, const std::filesystem::path& path) {
  const auto check = [&](const Json& part) {
    for (const char* key : {"quantization_config", "compression_config"}) {
      const auto at = part.find(key);
      if (at == part.end()) continue;
      if (const auto method = declared(*at)) {
        throw Error(
            ErrorKind::unsupported,
            fmt::format("the weights are quantised ({}), says {} in config.json", *method, key))
            .in_file(path.string())
            .hint(kAdvice);
      }
    }
  };
  check(config);
  for (const auto& [key, part] : config.items()) {  // text_config and the like
    if (part.is_object()) check(part);
  }
}

void refuse_quantised_tensors(std::span<const StoredTensor> tensors,
                              const std::filesystem::path& path) {
  for (const StoredTensor& tensor : tensors) {
    if (const auto method = method_of(tensors, tensor.info.name)) {
      throw Error(
          ErrorKind::unsupported,
          fmt::format("the weights are quantised ({}): this tensor belongs to no other kind "
                      "of checkpoint",
                      *method))
          .in_file(path.string())
          .in_tensor(tensor.info.name)
          .hint(kAdvice);
    }
  }
}

}  // namespace merganser
