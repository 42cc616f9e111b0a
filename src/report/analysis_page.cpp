#include "report/analysis_page.h"

#include "report/page_text.h"

namespace merganser {

std::string analysis_page(std::string_view json) { return page_text("analysis", json); }

}  // namespace merganser
