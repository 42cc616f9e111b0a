// The files that the page is put together from, compiled into the program.
#pragma once

#include <span>

#include "base/embedded_text.h"

namespace merganser {

std::span<const EmbeddedText> page_parts();

}  // namespace merganser
