#include "api/barrier_charts.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "report/svg.h"

namespace merganser {
namespace {

std::string short_name(const std::string& model) {
  const std::string name = std::filesystem::path(model).lexically_normal().filename().string();
  return name.empty() ? model : name;
}

std::vector<double> percent(std::vector<double> shares) {
  for (double& share : shares) share *= 100;
  return shares;
}

// Of one task: its loss, and its error where it has one.
std::vector<LineChart> charts_of(const BarrierReport& report, const std::string& task) {
  const std::string label =
      fmt::format("λ: {} … {}", short_name(report.models[0]), short_name(report.models[1]));
  std::vector<LineChart> charts = {{task + ": loss", label, "nats", {}},
                                   {task + ": error", label, "%", {}}};
  std::set<std::string> splits;
  for (const auto& panel : report.panels) {
    if (panel.task != task) continue;
    splits.insert(panel.split);
    const bool dashed = splits.size() == 1 && panel.split == "train";
    const auto add = [&](const std::string& name, const std::vector<double>& loss,
                         const std::vector<double>& error, unsigned color, bool dotted) {
      const auto of = [&](std::vector<double> y) {
        return LineChart::Series{name,  report.lambdas,    std::move(y),
                                 color, dashed && !dotted, dotted};
      };
      charts[0].series.push_back(of(loss));
      if (!error.empty()) charts[1].series.push_back(of(percent(error)));
    };
    for (const auto& curve : panel.curves) {
      add(curve_name(panel, curve), curve.loss, curve.error, curve.statistics == "stored" ? 1 : 0,
          false);
    }
    add(panel.split + ", ensemble of both", panel.ensemble_loss, panel.ensemble_error,
        dashed ? 2 : 3, true);
  }
  if (charts[1].series.empty()) charts.pop_back();
  return charts;
}

std::vector<MapChart> maps_of(const BarrierReport& report) {
  std::vector<MapChart> charts;
  for (const auto& panel : report.panels) {
    for (const auto& curve : panel.curves) {
      MapChart map;
      map.title = fmt::format("{}, {}: loss", panel.task, curve_name(panel, curve));
      map.x_label = "distance along B − A";
      map.y_label = "";
      map.x = report.x;
      map.y = report.y;
      map.values = curve.loss;
      for (std::size_t i = 0; i < report.places.size(); ++i) {
        map.places.push_back(
            {short_name(report.models[i]), report.places[i][0], report.places[i][1]});
      }
      charts.push_back(map);
      if (curve.error.empty()) continue;
      map.title = fmt::format("{}, {}: error in %", panel.task, curve_name(panel, curve));
      map.values = percent(curve.error);
      charts.push_back(std::move(map));
    }
  }
  return charts;
}

}  // namespace

std::string curve_name(const BarrierReport::Panel& panel, const BarrierReport::Curve& curve) {
  if (curve.statistics.empty()) return panel.split;
  return fmt::format("{}, {} statistics", panel.split, curve.statistics);
}

std::string barrier_svg(const BarrierReport& report) {
  if (report.path == "plane") return svg_of_maps(maps_of(report), 2);
  std::vector<LineChart> charts;
  std::string last;
  for (const auto& panel : report.panels) {
    if (panel.task == last) continue;
    last = panel.task;
    for (LineChart& chart : charts_of(report, last)) charts.push_back(std::move(chart));
  }
  return svg_of_lines(charts, 2);
}

}  // namespace merganser
