#include "merganser/logits.h"

#include <nlohmann/json.hpp>

#include "api/report_text.h"
#include "api/runtime_library.h"
#include "base/json.h"

namespace merganser {

std::string LogitsReport::json() const {
  return report_text({{"model", model},
                      {"output", output},
                      {"tensor", tensor},
                      {"shape", shape},
                      {"seconds", seconds}});
}

LogitsReport write_logits(const LogitsRequest& request, Progress& progress) {
  return runtime().write_logits(request, progress);
}

}  // namespace merganser
