#include <fmt/format.h>

#include "commands.h"
#include "merganser/merganser.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

void print_overview(const std::vector<MethodInfo>& infos) {
  Table table({"method", "base", "what it does"});
  for (const MethodInfo& info : infos) {
    table.add({info.name, info.base == "required" ? "yes" : "no", info.summary});
  }
  fmt::print("{}\nmerganser methods NAME has the formula, the paper and the parameters.\n",
             table.text());
}

void print_method(const MethodInfo& info) {
  fmt::print("{}: {}\n\n  {}\n\n", info.name, info.summary, info.formula);
  fmt::print("source  {}\nbase    {}\nmodels  {}\n\n", info.paper, info.base, info.inputs);
  Table table({"parameter", "type", "default", "scope", "meaning"});
  for (const ParameterInfo& p : info.parameters) {
    std::string type = p.type;
    if (!p.choices.empty()) type = fmt::format("{}", fmt::join(p.choices, "|"));
    if (!p.range.empty()) type += " " + p.range;
    table.add({p.name, type, p.fallback, p.scope, p.summary});
  }
  fmt::print("{}", table.text());
}

}  // namespace

void add_methods(CLI::App& app, Run& run) {
  struct Options {
    std::string name;
    bool markdown = false, json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("methods", "List the merge methods, or explain one");
  command->add_option("NAME", options->name, "A method")->type_name("METHOD");
  command->add_flag("--markdown", options->markdown, "As a page of documentation");
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options, &run] {
    run = [options] {
      const auto infos =
          options->name.empty() ? methods() : std::vector<MethodInfo>{method(options->name)};
      if (options->json) {
        fmt::print("{}\n", to_json(infos));
      } else if (options->markdown) {
        fmt::print("{}", to_markdown(infos));
      } else if (options->name.empty()) {
        print_overview(infos);
      } else {
        print_method(infos.front());
      }
      return 0;
    };
  });
}

}  // namespace merganser::cli
