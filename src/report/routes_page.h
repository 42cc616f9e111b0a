// The routes of a mixture as a page that a browser shows.
#pragma once

#include <string>
#include <string_view>

namespace merganser {

// As analysis_page, of the document that `merganser route --json` writes.
std::string routes_page(std::string_view json);

}  // namespace merganser
