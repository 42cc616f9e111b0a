#include <fmt/format.h>

#include "commands.h"
#include "merganser/merganser.h"
#include "output.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

void print_report(const DiffReport& report, std::size_t rows) {
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  if (report.equal()) {
    fmt::print("all {} tensors are identical\n", report.identical);
    return;
  }
  const char* cosine = report.base.empty() ? "cosine" : "cosine of deltas";
  Table table({"tensor", cosine, "max |a-b|", "rms a-b", "|a-b|/|a|", ""}, {1, 2, 3, 4});
  std::size_t shown = 0;
  for (const DiffReport::Tensor& t : report.tensors) {
    if (t.identical || (rows != 0 && shown == rows)) continue;
    ++shown;
    if (!t.problem.empty()) {
      table.add({safe(t.name), "", "", "", "", t.problem});
      continue;
    }
    table.add({safe(t.name), fmt::format("{:.6f}", t.cosine),
               fmt::format("{:.3g}", t.max_difference), fmt::format("{:.3g}", t.rms_difference),
               fmt::format("{:.3g}", t.relative),
               t.non_finite > 0 ? fmt::format("{} NaN or Inf", t.non_finite) : ""});
  }
  fmt::print("{}", table.text());
  const std::size_t differ = report.tensors.size() - report.identical;
  fmt::print("{} of {} tensors differ, {} are identical", differ, report.tensors.size(),
             report.identical);
  if (shown < differ) fmt::print("; the {} worst are shown (--rows 0: all)", shown);
  fmt::print("\n");
}

}  // namespace

void add_diff(CLI::App& app, Run& run) {
  struct Options {
    std::string a, b, base;
    unsigned threads = 0;
    std::size_t rows = 40;
    Output output;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "diff", "Compare two checkpoints tensor by tensor; exit status 0 if identical, 1 if not");
  command->add_option("A", options->a, "A checkpoint")->required()->type_name("PATH");
  command->add_option("B", options->b, "Another")->required()->type_name("PATH");
  command->add_option("--base", options->base, "Compare the differences from this one")
      ->type_name("PATH");
  command->add_option("--rows", options->rows, "Rows to show, worst first; 0: all")
      ->default_str("40");
  command->add_option("--threads", options->threads, "Worker threads; 0: one for each core")
      ->default_str("0");
  command->add_flag("--json", options->output.json, "As JSON");
  command->add_flag("--quiet", options->output.quiet, "Only the exit status");
  command->callback([options, &run] {
    run = [options] {
      const auto report = show(
          options->output,
          [&](Progress& progress) {
            return diff(options->a, options->b, options->base, options->threads, progress);
          },
          [&](const DiffReport& found) { print_report(found, options->rows); });
      return report.equal() ? 0 : 1;
    };
  });
}

}  // namespace merganser::cli
