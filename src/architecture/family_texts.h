// The files of families/, compiled into the program.
#pragma once

#include <span>

#include "base/embedded_text.h"

namespace merganser {

std::span<const EmbeddedText> family_texts();  // named FAMILY.json

}  // namespace merganser
