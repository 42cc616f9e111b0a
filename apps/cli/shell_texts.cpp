#include <fmt/format.h>

#include "commands.h"
#include "synopsis.h"

namespace merganser::cli {

void add_shell_texts(CLI::App& app, Run& run) {
  CLI::App* completion = app.add_subcommand("completion", "Print a shell's completion script");
  completion->group("");  // hidden: for the build and for packagers
  auto shell = std::make_shared<std::string>();
  completion->add_option("SHELL", *shell, "The shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, &run, shell] {
    run = [&app, shell] {
      const ProgramText program = describe(app);
      fmt::print("{}", *shell == "bash"  ? bash_completion(program)
                       : *shell == "zsh" ? zsh_completion(program)
                                         : fish_completion(program));
      return 0;
    };
  });

  CLI::App* manual = app.add_subcommand("man", "Print the manual page");
  manual->group("");
  manual->callback([&app, &run] {
    run = [&app] {
      fmt::print("{}", manual_page(describe(app)));
      return 0;
    };
  });
}

}  // namespace merganser::cli
