// Pages put together from the files in page/.
#pragma once

#include <string>
#include <string_view>

namespace merganser {

// page.html, filled with what NAME.page says of the page (a line of "key: value" each; `scripts`:
// the files that it has beside those of all pages), with the files that it names, and for
// {{document}} with the JSON, escaped as HTML needs it. A part that is not there is our own bug:
// std::logic_error.
std::string page_text(std::string_view name, std::string_view json);

}  // namespace merganser
