#include "merganser/barrier.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "commands.h"
#include "output.h"
#include "runtime_options.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

// A line of small bars, the lowest value empty.
std::string sparkline(const std::vector<double>& values) {
  constexpr std::array kBars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::size_t kMost = 60;
  const auto [low, high] = std::ranges::minmax(values);
  std::string bars;
  const std::size_t step = (values.size() + kMost - 1) / kMost;
  for (std::size_t i = 0; i < values.size(); i += step) {
    const double share = high > low ? (values[i] - low) / (high - low) : 0;
    bars += std::isfinite(share)
                ? kBars[static_cast<std::size_t>(std::lround(share * (kBars.size() - 1)))]
                : "?";
  }
  return bars;
}

std::string value_text(double value, bool error) {
  return error ? fmt::format("{:.2f} %", 100 * value) : fmt::format("{:.4f}", value);
}

std::string curve_text(const BarrierReport::Panel& panel, const BarrierReport::Curve& curve) {
  return curve.statistics.empty() ? safe(panel.split)
                                  : fmt::format("{}, {}", safe(panel.split), curve.statistics);
}

void print_path(const BarrierReport& report) {
  Table table(
      {"task", "split", "", "A", "middle", "B", "above mean", "above line", "at λ", "from A to B"},
      {3, 4, 5, 6, 7, 8});
  for (const auto& panel : report.panels) {
    const auto add = [&](const std::string& name, const std::vector<double>& values, bool error,
                         const BarrierReport::Barrier* barrier) {
      const auto text = [&](double value) { return value_text(value, error); };
      table.add({safe(panel.task), name, error ? "error" : "loss", text(values.front()),
                 text(values[values.size() / 2]), text(values.back()),
                 barrier != nullptr ? text(barrier->above_mean) : "",
                 barrier != nullptr ? text(barrier->above_line) : "",
                 barrier != nullptr ? fmt::format("{:.2f}", barrier->at_line) : "",
                 sparkline(values)});
    };
    for (const auto& curve : panel.curves) {
      add(curve_text(panel, curve), curve.loss, false, &curve.loss_barrier);
      if (curve.error_barrier) {
        add(curve_text(panel, curve), curve.error, true, &*curve.error_barrier);
      }
    }
    add(safe(panel.split) + ", ensemble", panel.ensemble_loss, false, nullptr);
    if (!panel.ensemble_error.empty()) {
      add(safe(panel.split) + ", ensemble", panel.ensemble_error, true, nullptr);
    }
  }
  fmt::print("{}\n", table.text());
}

void print_plane(const BarrierReport& report) {
  Table table({"task", "split", "", "A", "B", "C", "lowest", "at x, y"}, {3, 4, 5, 6, 7});
  for (const auto& panel : report.panels) {
    for (const auto& curve : panel.curves) {
      const auto add = [&](const std::vector<double>& models, const std::vector<double>& values,
                           bool error) {
        const auto least =
            static_cast<std::size_t>(std::ranges::min_element(values) - values.begin());
        table.add({safe(panel.task), curve_text(panel, curve), error ? "error" : "loss",
                   value_text(models[0], error), value_text(models[1], error),
                   value_text(models[2], error), value_text(values[least], error),
                   fmt::format("{:.3g}, {:.3g}", report.x[least % report.x.size()],
                               report.y[least / report.x.size()])});
      };
      add(curve.model_loss, curve.loss, false);
      if (!curve.error.empty()) add(curve.model_error, curve.error, true);
    }
  }
  fmt::print("{}\n", table.text());
  constexpr std::array kNames = {"A", "B", "C"};
  for (std::size_t i = 0; i < report.places.size(); ++i) {
    fmt::print("{}: {} at ({:.3g}, {:.3g})\n", kNames[i], safe(report.models[i]),
               report.places[i][0], report.places[i][1]);
  }
}

void print_report(const BarrierReport& report) {
  if (report.path == "plane") {
    print_plane(report);
  } else {
    print_path(report);
    fmt::print("A: {}\nB: {}\n", safe(report.models[0]), safe(report.models[1]));
  }
  fmt::print("|B - A| = {:.4g}", report.distance);
  if (report.angle) fmt::print(", angle {:.3g}°", *report.angle * 180 / 3.141592653589793);
  if (report.path != "plane") {
    fmt::print(
        "; {} points; above mean and line: the barrier, by the mean of the ends and by the "
        "line between them",
        report.lambdas.size());
  } else {
    fmt::print("; {} x {} points", report.x.size(), report.y.size());
  }
  fmt::print("; {:.1f} s\n", report.seconds);
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  if (!report.svg.empty()) fmt::print("plot: {}\n", safe(report.svg));
  if (!report.report.empty()) fmt::print("report: {}\n", safe(report.report));
}

}  // namespace

void add_barrier(CLI::App& app, Run& run) {
  struct Options {
    BarrierRequest request;
    Output output;
  };
  CLI::App* command = app.add_subcommand(
      "barrier", "Measure the loss on the way from one model to another, or on a plane of three");
  command->footer("merganser barrier a/ b/ --task mnist.yml --svg barrier.svg");
  auto options = std::make_shared<Options>();
  BarrierRequest& request = options->request;
  command->add_option("MODELS", request.models, "Two models; three for the plane through them")
      ->type_name("PATH")
      ->required();
  command->add_option("--task,-t", request.tasks, "Task file; several tasks by several options")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--path", request.path,
                   "line, or slerp: the arc, with one angle for all parameters")
      ->check(CLI::IsMember({"line", "slerp"}))
      ->default_str("line");
  command->add_option("--points", request.points,
                      "Points of the path (default 25), or along each side of a plane (13)");
  command
      ->add_option("--margin", request.margin,
                   "Of a plane beyond its models, as a share of their extent")
      ->default_str("0.25");
  command->add_option("--split", request.splits, "Split to measure on (default: train and test)")
      ->check(CLI::IsMember({"train", "validation", "test"}));
  command->add_option("--rows", request.rows, "Of a split at most, evenly spread; 0: all")
      ->default_str("0");
  command->add_flag("--statistics,!--no-statistics", request.statistics,
                    "Collect the statistics of BatchNorm anew at every point, too (default)");
  command
      ->add_option("--statistics-rows", request.statistics_rows,
                   "Rows of the train split for these at most, evenly spread; 0: all")
      ->default_str("0");
  add_runtime_options(*command, request.runtime);
  command->add_option("--svg", request.svg, "A plot to write")->type_name("FILE");
  add_report_options(*command, request.report, request.force, "plot or report");
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      show(
          options->output, [&](Progress& progress) { return barrier(options->request, progress); },
          [](const auto& report) { print_report(report); });
      return 0;
    };
  });
}

}  // namespace merganser::cli
