#include "report/evaluation_page.h"

#include "report/page_text.h"

namespace merganser {

std::string evaluation_page(std::string_view json) { return page_text("evaluation", json); }

}  // namespace merganser
