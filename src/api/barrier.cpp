#include "merganser/barrier.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/barrier_charts.h"
#include "api/json_numbers.h"
#include "api/report_file.h"
#include "api/report_text.h"
#include "api/runtime_library.h"
#include "base/file.h"
#include "base/json.h"
#include "report/report_page.h"

namespace merganser {
namespace {

Json peak(double height, double lambda) {
  return {{"barrier", number(std::max(0.0, height))},
          {"unclipped", number(height)},
          {"lambda", lambda}};
}

Json to_json(const BarrierReport::Barrier& barrier) {
  return {{"above_mean", peak(barrier.above_mean, barrier.at_mean)},
          {"above_line", peak(barrier.above_line, barrier.at_line)}};
}

Json to_json(const BarrierReport::Curve& curve, bool plane) {
  Json json = Json::object();
  if (!curve.statistics.empty()) json["statistics"] = curve.statistics;
  json["loss"] = numbers(curve.loss);
  if (!curve.error.empty()) json["error"] = numbers(curve.error);
  if (plane) {
    json["model_loss"] = numbers(curve.model_loss);
    if (!curve.model_error.empty()) json["model_error"] = numbers(curve.model_error);
    return json;
  }
  json["loss_barrier"] = to_json(curve.loss_barrier);
  if (curve.error_barrier) json["error_barrier"] = to_json(*curve.error_barrier);
  json["best"] = curve.best;
  return json;
}

}  // namespace

std::string BarrierReport::json() const {
  const bool plane = path == "plane";
  Json json = {{"models", models}, {"path", path}, {"distance", number(distance)}};
  if (angle) json["angle"] = *angle;
  if (plane) {
    json["x"] = numbers(x);
    json["y"] = numbers(y);
    json["places"] = places;
  } else {
    json["lambdas"] = numbers(lambdas);
  }
  Json list = Json::array();
  for (const Panel& panel : panels) {
    Json each = {{"task", panel.task}, {"split", panel.split}, {"rows", panel.rows}};
    Json curves = Json::array();
    for (const Curve& curve : panel.curves) curves.push_back(to_json(curve, plane));
    each["curves"] = std::move(curves);
    if (!plane) {
      each["ensemble"] = {{"loss", numbers(panel.ensemble_loss)}};
      if (!panel.ensemble_error.empty()) {
        each["ensemble"]["error"] = numbers(panel.ensemble_error);
      }
    }
    list.push_back(std::move(each));
  }
  json["panels"] = std::move(list);
  json["notes"] = notes;
  json["svg"] = svg;
  json["report"] = report;
  json["seconds"] = seconds;
  return report_text(json);
}

BarrierReport barrier(const BarrierRequest& request, Progress& progress) {
  check_report_file(request.svg, request.force);
  check_report_file(request.report, request.force);
  BarrierReport report = runtime().barrier(request, progress);
  if (!request.svg.empty()) {
    install_text(request.svg, barrier_svg(report), request.force);
    report.svg = request.svg;
  }
  if (!request.report.empty()) {
    install_text(request.report, report_page(ReportPage::barrier, report.json()), request.force);
    report.report = request.report;
  }
  return report;
}

}  // namespace merganser
