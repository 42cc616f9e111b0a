// libFuzzer: an adapter_config.json, and behind it a tensor's name on each line, give a config and
// parts of modules, or an Error. Every module is looked up in the config's patterns.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "adapter/config.h"
#include "adapter/names.h"
#include "base/error.h"
#include "base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace merganser;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.rfind('}');
  std::optional<AdapterConfig> config;
  try {
    config = parse_adapter_config(text.substr(0, end == text.npos ? size : end + 1), "fuzz.json");
  } catch (const Error&) {
  }
  const std::string_view rest = end == text.npos ? text : text.substr(end + 1);
  for (const std::string_view line : split(rest, '\n')) {
    try {
      const AdapterName name = parse_adapter_name(line);
      if (name.module.empty()) std::abort();
      if (!config) continue;
      const std::uint64_t rank = config->rank_of(name.module);
      if (rank == 0 || !std::isfinite(config->scale_of(name.module, rank))) std::abort();
    } catch (const Error&) {
    }
  }
  return 0;
}
