// libFuzzer: any text is a reference to a model or an Error; the parts of a reference put together
// again are the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "recipe/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace merganser;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const ModelRef ref = parse_model_ref(text);
    std::string again = ref.path;
    if (!ref.revision.empty()) again += "@" + ref.revision;
    if (!ref.lora_path.empty()) again += "+" + ref.lora_path;
    if (!ref.lora_revision.empty()) again += "@" + ref.lora_revision;
    if (ref.path.empty() || again != text || ref.to_string() != text) std::abort();
    if (!ref.same_as(parse_model_ref(again))) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
