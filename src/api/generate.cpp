#include "merganser/generate.h"

#include <nlohmann/json.hpp>

#include "api/report_text.h"
#include "api/runtime_library.h"
#include "base/json.h"

namespace merganser {

std::string GenerateReport::json() const {
  Json all = Json::array();
  std::uint64_t tokens = 0;
  for (const Text& text : texts) {
    tokens += text.made.size();
    all.push_back({{"prompt", text.prompt}, {"new", text.made}, {"stopped", text.stopped}});
  }
  return report_text({{"model", model},
                      {"stop", stop},
                      {"texts", std::move(all)},
                      {"tokens", tokens},
                      {"seconds", seconds}});
}

GenerateReport generate(const GenerateRequest& request, Progress& progress) {
  return runtime().generate(request, progress);
}

}  // namespace merganser
