#include "output.h"

namespace merganser::cli {

void add_output_options(CLI::App& command, Output& output) {
  command.add_flag("--json", output.json, "Everything, as JSON on standard output");
  command.add_flag("--quiet", output.quiet, "No progress, no summary");
}

}  // namespace merganser::cli
