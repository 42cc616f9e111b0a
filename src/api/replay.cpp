#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/carry_out.h"
#include "api/compare_records.h"
#include "api/recorded.h"
#include "api/recorded_request.h"
#include "base/json_text.h"
#include "merganser/merganser.h"

namespace merganser {

ReplayReport replay(const ReplayRequest& wanted, Progress& progress) {
  const std::filesystem::path path = find_provenance(wanted.provenance);
  const Json told = read_provenance(path);
  require_merge(told, path.string());
  const Request request = request_of(told, wanted, path.string());
  ReplayReport report;
  report.provenance = path.string();
  report.output = wanted.output;
  report.recorded_version = told["merganser"].get<std::string>();
  report.hash = request.hash;
  const auto compare = [&](const std::string& provenance) {
    report.differences =
        compare_records(told, parse_json(provenance, "the new merge"), path.string());
    report.tensors = told["tensors"].size();
    // What differs is not installed under a name that promises the same.
    return report.differences.empty();
  };
  report.merge = carry_out(request, progress, compare);
  return report;
}

}  // namespace merganser
