// A report as a page that a browser shows, put together from the files in page/.
#pragma once

#include <string>
#include <string_view>

namespace merganser {

enum class ReportPage {
  analysis,    // of `merganser analyze --json` (docs/analysis.md)
  barrier,     // of `merganser barrier --json` (docs/barrier.md)
  evaluation,  // of `merganser evaluate --json` (docs/tasks.md)
  routes,      // of `merganser route --json` (docs/smile.md)
};

// One HTML file that needs nothing else: styles, scripts and the plotting library are in it, and it
// forbids itself to load anything (Content-Security-Policy). `json` is the command's document,
// UTF-8; every number on the page is taken from it by the page's scripts. The text is not looked
// into, apart from what HTML needs: names in it may hold anything.
std::string report_page(ReportPage page, std::string_view json);

}  // namespace merganser
