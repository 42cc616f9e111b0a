#include "merganser/logits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "commands.h"
#include "runtime_options.h"
#include "terminal.h"

namespace merganser::cli {

void add_logits(CLI::App& app, Run& run) {
  struct Options {
    LogitsRequest request;
    bool json = false, quiet = false;
  };
  CLI::App* command = app.add_subcommand("logits", "Write what a model puts out for given inputs");
  command->footer("merganser logits model/ --input tokens.safetensors --output logits.safetensors");
  auto options = std::make_shared<Options>();
  LogitsRequest& request = options->request;
  command->add_option("MODEL", request.model, "A checkpoint")->type_name("PATH")->required();
  command
      ->add_option("--input", request.input,
                   "A .safetensors file: `ids` with `mask` and `types`, or `values`")
      ->type_name("FILE")
      ->required();
  command->add_option("--output,-o", request.output, "The .safetensors file to write")
      ->type_name("FILE")
      ->required();
  command->add_flag("--hidden", request.hidden, "The last hidden states, not the logits");
  add_runtime_options(*command, request.runtime);
  command->add_flag("--force", request.force, "Replace an existing output");
  command->add_flag("--json", options->json, "The report, as JSON on standard output");
  command->add_flag("--quiet", options->quiet, "No progress, no summary");
  command->callback([options, &run] {
    run = [options] {
      Watch watch(!options->quiet && !options->json);
      const LogitsReport report = write_logits(options->request, watch);
      watch.finish();
      if (options->json) {
        fmt::print("{}\n", report.json());
      } else if (!options->quiet) {
        fmt::print("{}: {} [{}] in {:.2f} s\n", safe(report.output), report.tensor,
                   fmt::join(report.shape, ", "), report.seconds);
      }
      return 0;
    };
  });
}

}  // namespace merganser::cli
