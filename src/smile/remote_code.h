// The Python files that a mixture carries along, so that transformers can load it.
#pragma once

#include <span>
#include <string_view>

namespace merganser {

struct RemoteCode {
  std::string_view name, text;
};

std::span<const RemoteCode> remote_code();

}  // namespace merganser
