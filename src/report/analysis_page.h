// The analysis as a page that a browser shows.
#pragma once

#include <string>
#include <string_view>

namespace merganser {

// One HTML file that needs nothing else: styles, scripts and the plotting library are in it, and it
// forbids itself to load anything (Content-Security-Policy). `json` is the document of an analysis
// as `merganser analyze --json` writes it (docs/analysis.md), UTF-8; every number on the page is
// taken from it by the page's scripts. The text is not looked into, apart from what HTML needs:
// names in it may hold anything.
std::string analysis_page(std::string_view json);

}  // namespace merganser
