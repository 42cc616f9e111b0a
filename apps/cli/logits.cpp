#include "merganser/logits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "commands.h"
#include "output.h"
#include "runtime_options.h"
#include "terminal.h"

namespace merganser::cli {

void add_logits(CLI::App& app, Run& run) {
  struct Options {
    LogitsRequest request;
    Output output;
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
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      show(
          options->output,
          [&](Progress& progress) { return write_logits(options->request, progress); },
          [&](const LogitsReport& report) {
            fmt::print("{}: {} [{}] in {:.2f} s\n", safe(report.output), report.tensor,
                       fmt::join(report.shape, ", "), report.seconds);
          });
      return 0;
    };
  });
}

}  // namespace merganser::cli
