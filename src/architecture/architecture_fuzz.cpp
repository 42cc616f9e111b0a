// libFuzzer: whatever a config.json and the tensors' names, a structure is found or refused with an
// Error; every name has a place from which it can be made again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/architecture.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"

namespace {

using namespace merganser;

void check_names(const Architecture& architecture, const std::vector<TensorInfo>& tensors) {
  for (const TensorInfo& tensor : tensors) {
    const TensorPlace place = architecture.place(tensor.name);
    if (place.module >= architecture.modules().size()) std::abort();
    if ((place.layer ? place.name_at(*place.layer) : place.stem) != tensor.name) std::abort();
    if (place.layer && place.place != Place::layer) std::abort();
    for (const std::string& alias : architecture.aliases(tensor.name)) {
      if (alias == tensor.name) std::abort();
    }
    architecture.name_for_role(place.role, 3);
  }
}

void check_config(const Architecture& architecture, const Json& config) {
  // A config may contradict itself: that is said, whatever it holds.
  architecture.incompatibilities(config, architecture, config);
  for (std::size_t m = 0; m < architecture.modules().size(); ++m) {
    const std::size_t layers = std::min<std::size_t>(architecture.modules()[m].layers, 4);
    std::vector<Architecture::LayerOrigin> origins;
    for (std::size_t l = layers; l-- > 0;) origins.push_back({l % 2 == 0 ? &config : nullptr, l});
    std::vector<std::string> warnings;
    try {
      const Json stacked = architecture.stacked_config(config, m, origins, warnings);
      if (!stacked.is_object()) std::abort();
    } catch (const Error&) {
    }
  }
}

}  // namespace

// A config, and behind its last brace a tensor's name on each line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t brace = text.rfind('}');
  const std::size_t end = brace == text.npos ? 0 : brace + 1;
  Json config;
  try {
    if (end > 0) config = parse_json(text.substr(0, end), "config.json");
  } catch (const Error&) {
    return 0;
  }
  std::vector<TensorInfo> tensors;
  for (const std::string_view name : split(text.substr(end), '\n')) {
    tensors.push_back({std::string(name), DType::f32, {4, 4}});
  }
  std::ranges::sort(tensors, {}, &TensorInfo::name);
  for (const char* override_name : {"", "LlamaForCausalLM"}) {
    try {
      const auto architecture =
          Architecture::resolve(config.is_null() ? nullptr : &config, tensors, override_name);
      check_names(architecture, tensors);
      check_config(architecture, config);
    } catch (const Error&) {
    }
  }
  return 0;
}
