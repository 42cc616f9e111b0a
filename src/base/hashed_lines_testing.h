// For tests: a line with a true hash, whatever its text.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/hash.h"

namespace merganser::test {

inline std::string with_hash(std::string_view text) {
  return fmt::format("{} {:016x}\n", text, hash64(text));
}

}  // namespace merganser::test
