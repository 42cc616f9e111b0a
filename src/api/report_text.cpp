#include "api/report_text.h"

#include <nlohmann/json.hpp>

namespace merganser {

std::string report_text(const Json& report) {
  return report.dump(2, ' ', true, Json::error_handler_t::replace);
}

}  // namespace merganser
