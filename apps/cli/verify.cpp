#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "merganser/merganser.h"
#include "output.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

struct Options {
  VerifyRequest request;
  Output output;
};

void print(const VerifyReport& report) {
  if (!report.whole()) {
    fmt::print("not as recorded: {} problem{}\n", report.problems.size(),
               report.problems.size() == 1 ? "" : "s");
    for (const auto& [what, problem] : report.problems) {
      fmt::print("  {}: {}\n", safe(what), safe(problem));
    }
  } else if (report.compared == 0) {
    fmt::print(
        "{}: {} tensors have the recorded names, types and shapes; the record has no hashes "
        "(--hash none)\n",
        safe(report.output), report.tensors);
  } else {
    fmt::print("{}: as recorded: {} tensors by {}, {} other files\n", safe(report.output),
               report.tensors, safe(report.hash), report.files);
  }
}

}  // namespace

void add_verify(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "verify", "Hold a merged checkpoint against its provenance: tensors and files");
  command->footer(
      "merganser verify merged/\n"
      "The models that it was made from are not needed (replay makes the merge again).\n"
      "Status 1: something is missing or was changed.");
  auto options = std::make_shared<Options>();
  command
      ->add_option("output", options->request.output,
                   "An output of merganser merge, or its provenance file")
      ->required();
  command->add_option("--threads", options->request.threads, "Threads; 0: one for each core")
      ->default_str("0")
      ->check(CLI::Range(0, 1024));
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      const auto report = show(
          options->output, [&](Progress& progress) { return verify(options->request, progress); },
          [](const auto& found) { print(found); });
      return report.whole() ? 0 : 1;
    };
  });
}

}  // namespace merganser::cli
