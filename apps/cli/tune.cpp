#include "merganser/tune.h"

#include <fmt/format.h>

#include "choice_options.h"
#include "commands.h"
#include "output.h"
#include "terminal.h"

namespace merganser::cli {

void add_tune(CLI::App& app, Run& run) {
  struct Options {
    TuneRequest request;
    Output output;
  };
  CLI::App* command = app.add_subcommand(
      "tune", "Choose a recipe's parameters by what its merge is worth on tasks");
  command->footer(
      "merganser tune recipe.yml --task polarity.yml --task subjectivity.yml --vary "
      "'parameters.lambda=0.1:1.0:0.1' -o best.yml");
  auto options = std::make_shared<Options>();
  TuneRequest& request = options->request;
  command->add_option("RECIPE", request.recipe_file, "Recipe whose values are varied")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--vary", request.vary,
                   "A parameter and its values: 'parameters.lambda=0.1:1.0:0.1', "
                   "'models[*].parameters.density=0.3,0.5', or an interval, "
                   "'parameters.lambda=[0.2, 1.5]'; several by several options")
      ->type_name("PATH=VALUES")
      ->allow_extra_args(false)
      ->required();
  command
      ->add_option("--strategy", request.strategy,
                   "grid: every combination; coordinate: one parameter after the other, until a "
                   "round brings no progress; golden: the same, by golden section on intervals")
      ->check(CLI::IsMember({"grid", "coordinate", "golden"}));
  command->add_option("--evaluations", request.evaluations, "Candidates at most; 0: all")
      ->default_str("0");
  command
      ->add_option("--seed", request.seed,
                   "Which combinations of a grid are tried that has more than --evaluations")
      ->default_str("0");
  command
      ->add_option("--tolerance", request.tolerance,
                   "Of golden section search, as a part of the interval")
      ->default_str("0.02");
  command->add_option("--base", request.base, "0 of the gains, if not the recipe's base_model")
      ->type_name("PATH");
  command
      ->add_option("--inputs", request.inputs,
                   "The best of them on a task is 1 of its gains, if not the recipe's models")
      ->type_name("PATH");
  add_choice_options(*command, request.choice);
  add_output_options(*command, options->output);
  command->callback([options, command, &run] {
    run = [options, command] {
      options->request.choice.command = command_line(*command);
      const auto report = show(
          options->output, [&](Progress& progress) { return tune(options->request, progress); },
          [&](const TuneReport& found) {
            print_choice(found, found.parameters,
                         [](const TuneReport::Candidate& candidate) { return candidate.values; });
          });
      return choice_status(report);
    };
  });
}

}  // namespace merganser::cli
