// libFuzzer: any bytes give a Recipe or an Error; a Recipe's canonical text gives the same Recipe.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "recipe/format.h"
#include "recipe/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string first;
  try {
    first = merganser::to_yaml(merganser::parse_recipe(text, "fuzz.yml"));
  } catch (const merganser::Error&) {
    return 0;
  }
  // Near the size limit the canonical text may be larger than the limit.
  if (first.size() > (std::size_t{1} << 20)) return 0;
  // An Error here would be our bug: it leaves through main and ends the run.
  if (merganser::to_yaml(merganser::parse_recipe(first, "again.yml")) != first) std::abort();
  return 0;
}
