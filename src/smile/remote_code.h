// The Python files that a mixture carries along, so that transformers can load it.
#pragma once

#include <span>

#include "base/embedded_text.h"

namespace merganser {

std::span<const EmbeddedText> remote_code();

}  // namespace merganser
