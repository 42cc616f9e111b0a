#include "report/routes_page.h"

#include "report/page_text.h"

namespace merganser {

std::string routes_page(std::string_view json) { return page_text("routes", json); }

}  // namespace merganser
