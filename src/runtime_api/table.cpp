// The one symbol of libmerganser_runtime.
#include <string_view>

#include "api/runtime_table.h"
#include "runtime_api/functions.h"

extern "C" __attribute__((visibility("default"))) const merganser::RuntimeTable* merganser_runtime(
    const char* version) {
  if (std::string_view(version) != MERGANSER_VERSION) return nullptr;
  static const merganser::RuntimeTable table = {
      .evaluate = merganser::runtime_evaluate,
  };
  return &table;
}
