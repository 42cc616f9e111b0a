#include "merganser/route.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "api/report_file.h"
#include "api/report_text.h"
#include "api/runtime_library.h"
#include "base/file.h"
#include "base/json.h"
#include "merganser/merganser.h"
#include "report/report_page.h"

namespace merganser {
namespace {

Json number(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json to_json(const RouteReport::Counts& counts) {
  std::uint64_t sum = 0;
  for (const std::uint64_t each : counts.choices) sum += each;
  Json shares = Json::array();
  for (const std::uint64_t each : counts.choices) {
    shares.push_back(sum == 0 ? Json(nullptr)
                              : Json(static_cast<double>(each) / static_cast<double>(sum)));
  }
  return {{"choices", counts.choices},
          {"shares", std::move(shares)},
          {"entropy", number(counts.entropy)},
          {"agreement", number(counts.agreement)}};
}

Json to_json(const RouteReport::Task& task) {
  Json layers = Json::array();
  for (const RouteReport::Counts& each : task.layers) layers.push_back(to_json(each));
  return {{"name", task.name},
          {"rows", task.rows},
          {"tokens", task.tokens},
          {"expert", task.expert},
          {"expert_from", task.expert_from},
          {"total", to_json(task.total)},
          {"layers", std::move(layers)},
          {"text", {{"ids", task.ids}, {"experts", task.text}}}};
}

Json document(const RouteReport& report) {
  Json layers = Json::array(), tasks = Json::array(), information = Json::array();
  for (const RouteReport::Layer& layer : report.layers) {
    layers.push_back({{"name", layer.name},
                      {"block", layer.block ? Json(*layer.block) : Json(nullptr)},
                      {"role", layer.role},
                      {"experts_per_token", layer.experts_per_token}});
  }
  for (const RouteReport::Task& task : report.tasks) tasks.push_back(to_json(task));
  for (const double each : report.information) information.push_back(number(each));
  return {{"document", "routes"},
          {"merganser", version()},
          {"model", report.model},
          {"split", report.split},
          {"experts", report.experts},
          {"layers", std::move(layers)},
          {"tasks", std::move(tasks)},
          {"information",
           {{"mean", number(report.mean_information)}, {"layers", std::move(information)}}},
          {"notes", report.notes}};
}

}  // namespace

std::string RouteReport::json() const {
  Json json = document(*this);
  json["report"] = report;
  json["seconds"] = seconds;
  return report_text(json);
}

RouteReport route(const RouteRequest& request, Progress& progress) {
  check_report_file(request.report, request.force);
  RouteReport report = runtime().route(request, progress);
  if (!request.report.empty()) {
    install_text(request.report, report_page(ReportPage::routes, report_text(document(report))),
                 request.force);
    report.report = request.report;
  }
  return report;
}

}  // namespace merganser
