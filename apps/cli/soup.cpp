#include <fmt/format.h>

#include "choice_options.h"
#include "commands.h"
#include "merganser/merganser.h"
#include "merganser/tune.h"
#include "output.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

// "1 + 3 + 2", counted from 1 as the models above are.
std::string members_text(const TuneReport::Candidate& candidate) {
  std::string text;
  for (const std::string& value : candidate.values) {
    text += fmt::format("{}{}", text.empty() ? "" : " + ", std::stoull(value) + 1);
  }
  return text;
}

void print_soup(const TuneReport& report) {
  for (std::size_t i = 0; i < report.parameters.size(); ++i) {
    fmt::print("{:3}  {}\n", i + 1, safe(report.parameters[i]));
  }
  fmt::print("\n");
  print_choice(report, {"models"}, [](const TuneReport::Candidate& candidate) {
    return std::vector{members_text(candidate)};
  });
}

}  // namespace

void add_soup(CLI::App& app, Run& run) {
  struct Options {
    SoupRequest request;
    std::string merged;
    bool uniform = false;
    Output output;
  };
  CLI::App* command = app.add_subcommand(
      "soup", "Average fine-tunes of one model: all of them, or those that help on tasks");
  command->footer("merganser soup run-1/ run-2/ run-3/ --task polarity.yml -o soup.yml");
  auto options = std::make_shared<Options>();
  SoupRequest& request = options->request;
  command->add_option("MODELS", request.models, "Checkpoints")->type_name("PATH")->required();
  CLI::Option* uniform = command->add_flag("--uniform", options->uniform, "All models");
  command
      ->add_flag("--greedy", request.greedy,
                 "The best model, and of the others, best first, those with which the soup is "
                 "better than without (default)")
      ->excludes(uniform);
  command->add_option("--base", request.base, "0 of the gains; not in the soup")->type_name("PATH");
  add_choice_options(*command, request.choice);
  command->add_option("--merge", options->merged, "Merge the soup, too: the output")
      ->type_name("OUT");
  add_output_options(*command, options->output);
  command->callback([options, command, &run] {
    run = [options, command] {
      SoupRequest& wanted = options->request;
      wanted.greedy = !options->uniform;
      wanted.choice.command = command_line(*command);
      const auto report = show(
          options->output,
          [&](Progress& progress) {
            TuneReport made = soup(wanted, progress);
            if (options->merged.empty() || made.interrupted) return made;
            Request merging;
            merging.recipe_file = made.output;
            merging.output = options->merged;
            merging.force = wanted.choice.force;
            merge(merging, progress);
            return made;
          },
          [&](const TuneReport& made) {
            print_soup(made);
            if (!options->merged.empty() && !made.interrupted) {
              fmt::print("merged: {}\n", safe(options->merged));
            }
          });
      return choice_status(report);
    };
  });
}

}  // namespace merganser::cli
