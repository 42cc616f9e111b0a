#include <fmt/format.h>

#include "commands.h"
#include "request_options.h"
#include "terminal.h"

namespace merganser::cli {

void add_merge(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("merge", "Merge checkpoints by a recipe into a new one");
  command->footer(
      "merganser merge recipe.yml merged/\n"
      "merganser merge --method slerp A B -p t=0.5 -o merged/");
  auto options = add_request_options(*command);
  Request& request = options->request;
  command->add_option("--hash", request.hash, "Hash of every tensor in the provenance")
      ->check(CLI::IsMember({"xxh3", "sha256", "none"}))
      ->default_str("xxh3");
  command->add_option("--nan", request.non_finite, "What to do about NaN and Inf")
      ->check(CLI::IsMember({"error", "warn", "ignore"}))
      ->default_str("error");
  command->add_flag("--sync,!--no-sync", request.sync,
                    "Wait until the output is on the disk (default)");
  command->add_flag("--resume", request.resume,
                    "Go on where an unfinished run stopped; keep what is done if this one stops");
  command->callback([options, &run] {
    run = [options] {
      const Request& wanted = options->finish(true);
      Watch watch(!options->quiet);
      const MergeReport report = merge(wanted, watch);
      watch.finish();
      for (const std::string& warning : report.warnings) {
        fmt::print(stderr, "warning: {}\n", safe(warning));
      }
      if (options->json) {
        fmt::print("{}\n", report.json());
      } else if (!options->quiet) {
        const double rate = static_cast<double>(report.bytes_written) / report.seconds;
        fmt::print("{}: {} tensors, {} by {} in {:.2f} s ({}/s)\n", safe(report.output),
                   report.tensors, bytes_text(report.bytes_written), report.method, report.seconds,
                   bytes_text(static_cast<std::uint64_t>(rate)));
        for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
        if (report.left_out > 0) {
          fmt::print(
              "note: {} input tensors are left out (listed by merganser plan and in the "
              "provenance)\n",
              report.left_out);
        }
      }
      return 0;
    };
  });
}

}  // namespace merganser::cli
