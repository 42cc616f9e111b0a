#include "figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "terminal.h"

namespace merganser::cli {
namespace {

std::string figure_text(const EvaluateReport::Figure& figure, const EvaluateReport::Task& task) {
  const double half = (figure.high - figure.low) / 2;
  if (task.metric == "accuracy") {
    return fmt::format("{:.1f} % ±{:.1f}", 100 * figure.value, 100 * half);
  }
  return fmt::format("{:.4f} ±{:.4f}", figure.value, half);
}

std::string interval_text(const EvaluateReport::Figure& figure) {
  if (!figure.gain) return "";
  return fmt::format("{} [{}, {}]", gain_text(*figure.gain),
                     gain_text(figure.gain_low.value_or(*figure.gain)),
                     gain_text(figure.gain_high.value_or(*figure.gain)));
}

}  // namespace

std::string metric_text(double value, const std::string& metric) {
  return metric == "accuracy" ? fmt::format("{:.2f} %", 100 * value) : fmt::format("{:.4f}", value);
}

std::string gain_text(double gain) {
  std::string text = fmt::format("{:.2f}", gain);
  return text == "-0.00" ? "0.00" : text;
}

std::string figures_table(const EvaluateReport& report) {
  const bool gains = std::ranges::any_of(report.rows, [](const EvaluateReport::Row& row) {
    return std::ranges::any_of(row.figures,
                               [](const auto& figure) { return figure.gain.has_value(); });
  });
  std::vector<std::string> header = {"model", ""};
  std::vector<std::size_t> right;
  for (const EvaluateReport::Task& task : report.tasks) {
    right.push_back(header.size());
    header.push_back(fmt::format("{}, {}", safe(task.name), task.metric));
    if (gains) header.emplace_back("gain");
  }
  Table table(header, right);
  for (const EvaluateReport::Row& row : report.rows) {
    std::vector<std::string> cells = {safe(row.name), row.kind == "model" ? "" : row.kind};
    for (std::size_t t = 0; t < report.tasks.size(); ++t) {
      cells.push_back(figure_text(row.figures[t], report.tasks[t]));
      if (gains) cells.push_back(interval_text(row.figures[t]));
    }
    table.add(std::move(cells));
  }
  return table.text();
}

}  // namespace merganser::cli
