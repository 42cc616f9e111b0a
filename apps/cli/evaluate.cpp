#include "merganser/evaluate.h"

#include <fmt/format.h>

#include "commands.h"
#include "figures.h"
#include "output.h"
#include "runtime_options.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

void print_report(const EvaluateReport& report) {
  fmt::print("{}\n", figures_table(report));
  fmt::print("on {}: ", report.split);
  for (std::size_t t = 0; t < report.tasks.size(); ++t) {
    fmt::print("{}{} rows of {}", t > 0 ? ", " : "", report.tasks[t].rows,
               safe(report.tasks[t].name));
  }
  fmt::print("; ± and [ ]: 95 % intervals; {:.1f} s\n", report.seconds);
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  if (!report.report.empty()) fmt::print("report: {}\n", safe(report.report));
}

}  // namespace

void add_evaluate(CLI::App& app, Run& run) {
  struct Options {
    EvaluateRequest request;
    Output output;
  };
  CLI::App* command =
      app.add_subcommand("evaluate", "Measure models, merges and ensembles on tasks");
  command->footer(
      "merganser evaluate merged/ recipe.yml --task polarity.yml --base base/ --inputs a/ b/");
  auto options = std::make_shared<Options>();
  EvaluateRequest& request = options->request;
  command->add_option("MODELS", request.models, "Checkpoints; or recipes, merged in memory")
      ->type_name("PATH");
  command->add_option("--task,-t", request.tasks, "Task file; several tasks by several options")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->required();
  command->add_option("--base", request.base, "The base of the merges: 0 of the normalised gains")
      ->type_name("PATH");
  command
      ->add_option("--inputs", request.inputs,
                   "The inputs of the merges: the best on a task is 1 of its gains")
      ->type_name("PATH");
  command->add_flag("--ensemble,!--no-ensemble", request.ensemble,
                    "The mean of the inputs' outputs as a row (default)");
  command->add_flag("--oracle", request.oracle,
                    "Mixtures also with each task's own expert in every layer");
  command->add_option("--split", request.split, "Split of the data")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->default_str("test");
  add_runtime_options(*command, request.runtime);
  add_report_options(*command, request.report, request.force);
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      show(
          options->output, [&](Progress& progress) { return evaluate(options->request, progress); },
          [](const auto& report) { print_report(report); });
      return 0;
    };
  });
}

}  // namespace merganser::cli
