// What most commands share in what they put out: a bar and words for people, JSON for programs, or
// nothing.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "terminal.h"

namespace merganser::cli {

struct Output {
  bool json = false, quiet = false;
};

// --json and --quiet.
void add_output_options(CLI::App& command, Output& output);
// --report, and --force for it and what else `replaced` names.
void add_report_options(CLI::App& command, std::string& report, bool& force,
                        const std::string& replaced = "report");

// The report of `work`, a function of a Progress, after it was shown: as JSON, or by `print`.
template <typename Work, typename Print>
auto show(const Output& output, Work work, Print print) {
  Watch watch(!output.quiet);  // on stderr, where JSON does not go
  auto report = work(watch);
  watch.finish();
  if (output.json) {
    fmt::print("{}\n", report.json());
  } else if (!output.quiet) {
    print(report);
  }
  return report;
}

}  // namespace merganser::cli
