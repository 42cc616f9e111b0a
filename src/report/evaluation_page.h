// Models on tasks as a page that a browser shows.
#pragma once

#include <string>
#include <string_view>

namespace merganser {

// One HTML file that needs nothing else (report/page.h). `json` is the document of an evaluation as
// `merganser evaluate --json` writes it (docs/tasks.md).
std::string evaluation_page(std::string_view json);

}  // namespace merganser
