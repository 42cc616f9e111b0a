#include "output.h"

namespace merganser::cli {

void add_output_options(CLI::App& command, Output& output) {
  command.add_flag("--json", output.json, "Everything, as JSON on standard output");
  command.add_flag("--quiet", output.quiet, "No progress, no summary");
}

void add_report_options(CLI::App& command, std::string& report, bool& force,
                        const std::string& replaced) {
  command.add_option("--report", report, "An HTML file to write, which needs no network")
      ->type_name("FILE");
  command.add_flag("--force", force, "Replace an existing " + replaced);
}

}  // namespace merganser::cli
