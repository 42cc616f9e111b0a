// Pages put together from the files in page/.
#pragma once

#include <string>
#include <string_view>

namespace merganser {

// The template of that name, every {{part}} replaced by the file, {{document}} by the JSON with
// what HTML needs escaped. A part that is not there is our own bug: std::logic_error.
std::string page_text(std::string_view name, std::string_view json);

}  // namespace merganser
