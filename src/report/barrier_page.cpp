#include "report/barrier_page.h"

#include "report/page_text.h"

namespace merganser {

std::string barrier_page(std::string_view json) { return page_text("barrier", json); }

}  // namespace merganser
