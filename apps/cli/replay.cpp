#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "merganser/merganser.h"
#include "output.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

struct Options {
  ReplayRequest request;
  std::string memory;
  Output output;
};

void print(const ReplayReport& report) {
  if (report.same() && report.hash == "none") {
    fmt::print(
        "{} tensors are merged again; the record has no hashes (--hash none), so they are not "
        "compared\n",
        report.tensors);
  } else if (report.same()) {
    fmt::print("the same: {} tensors have the recorded bytes ({:.2f} s)\n", report.tensors,
               report.merge.seconds);
  } else {
    fmt::print("not the same: {} difference{} from the record\n", report.differences.size(),
               report.differences.size() == 1 ? "" : "s");
    for (const ReplayDifference& difference : report.differences) {
      fmt::print("  {}: {} -> {}\n", safe(difference.what), safe(difference.recorded),
                 safe(difference.now));
    }
    if (report.recorded_version != version()) {
      fmt::print("note: the record is of merganser {}, this is {}\n", safe(report.recorded_version),
                 version());
    }
  }
  if (report.output.empty()) return;
  if (report.merge.installed) {
    fmt::print("written to {}\n", safe(report.output));
  } else {
    fmt::print("{} is not written\n", safe(report.output));
  }
}

}  // namespace

void add_replay(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "replay", "Make a recorded merge again and compare every tensor, or say what changed");
  command->footer(
      "merganser replay merged/            compute and compare, write nothing\n"
      "merganser replay merged/ again/     and write it\n"
      "Status 1: something differs; then nothing is written.");
  auto options = std::make_shared<Options>();
  command
      ->add_option("provenance", options->request.provenance,
                   "An output of merganser merge, or its provenance file")
      ->required()
      ->type_name("PATH");
  command->add_option("output", options->request.output, "Where to write it, if at all")
      ->type_name("PATH");
  command->add_option("--memory", options->memory, "Private memory, as of merge");
  command->add_option("--threads", options->request.threads, "Worker threads; 0: one for each core")
      ->default_str("0")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--force", options->request.force, "Replace an existing output");
  command->add_flag("--sync,!--no-sync", options->request.sync,
                    "Wait until the output is on the disk (default)");
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      if (!options->memory.empty()) options->request.memory = parse_bytes(options->memory);
      const auto report = show(
          options->output, [&](Progress& progress) { return replay(options->request, progress); },
          print);
      return report.same() ? 0 : 1;
    };
  });
}

}  // namespace merganser::cli
