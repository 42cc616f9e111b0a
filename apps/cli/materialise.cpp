#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "merganser/merganser.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

struct Options {
  Request request;
  std::string merged, task, base, memory;
  bool quiet = false;
};

int list(const std::string& merged) {
  Table table({"task", "model", "scale"});
  for (const TaskInfo& task : tasks(merged)) {
    table.add({safe(task.name), safe(task.model), fmt::format("{:.6g}", task.scale)});
  }
  fmt::print("{}\n", table.text());
  return 0;
}

int make(Options& options) {
  Request& request = options.request;
  if (!options.memory.empty()) request.memory = parse_bytes(options.memory);
  request.recipe_text = task_recipe(options.merged, options.task, options.base);
  Watch watch(!options.quiet);
  const MergeReport report = merge(request, watch);
  watch.finish();
  if (options.quiet) return 0;
  fmt::print("{}: {} tensors, {}, task {} of {} in {:.2f} s\n", safe(report.output), report.tensors,
             bytes_text(report.bytes_written), safe(options.task), safe(options.merged),
             report.seconds);
  return 0;
}

}  // namespace

void add_materialise(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "materialise", "Make one task's checkpoint from an output of emr or consensus");
  command->footer(
      "merganser materialise merged/                  list the tasks\n"
      "merganser materialise merged/ TASK task-model/\n"
      "A recipe takes a task as a model, too: {model: {path: merged}, task: TASK}");
  auto options = std::make_shared<Options>();
  command->add_option("merged", options->merged, "Output folder with task_masks.json")
      ->required()
      ->type_name("PATH");
  command->add_option("task", options->task, "A task's name");
  command->add_option("output", options->request.output, "Where to write its checkpoint")
      ->type_name("PATH");
  command->add_option("--base", options->base, "The base model, where it is not as recorded")
      ->type_name("PATH");
  command->add_option("--memory", options->memory, "Private memory, as of merge");
  command->add_option("--threads", options->request.threads, "Worker threads; 0: one for each core")
      ->default_str("0")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--force", options->request.force, "Replace an existing output");
  command->add_flag("--quiet", options->quiet, "No progress, no summary");
  command->callback([options, &run] {
    run = [options] { return options->task.empty() ? list(options->merged) : make(*options); };
  });
}

}  // namespace merganser::cli
