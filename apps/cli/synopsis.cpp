#include "synopsis.h"

#include "merganser/merganser.h"

namespace merganser::cli {
namespace {

// "TEXT:{xxh3,sha256,none}": CLI11 keeps the set of CLI::IsMember in the type's name only.
std::vector<std::string> choices_of(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t open = type.find(":{");
  const std::size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return choices;
  for (std::size_t begin = open + 2; begin <= close;) {
    const std::size_t end = std::min(type.find(',', begin), close);
    choices.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

OptionText describe(const CLI::Option& option) {
  OptionText text;
  for (const std::string& name : option.get_snames()) text.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) text.names.push_back("--" + name);
  if (text.names.empty()) text.names.push_back(option.get_name(true));
  if (option.get_items_expected_max() != 0) {
    const std::string type = option.get_type_name();
    text.value = type.substr(0, type.find(':'));
    text.choices = choices_of(type);
    text.many = option.get_items_expected_max() > 1;
    if (text.value == "METHOD") {
      for (const MethodInfo& info : methods()) text.choices.push_back(info.name);
    }
  }
  text.description = option.get_description();
  text.fallback = option.get_default_str();
  text.required = option.get_required();
  return text;
}

}  // namespace

ProgramText describe(const CLI::App& app) {
  ProgramText program{app.get_name(), version(), app.get_description(), {}, {}};
  const auto any_option = [](const CLI::Option*) { return true; };
  for (const CLI::Option* option : app.get_options(any_option)) {
    program.options.push_back(describe(*option));
  }
  const auto shown = [](const CLI::App* command) { return !command->get_group().empty(); };
  for (const CLI::App* command : app.get_subcommands(shown)) {
    CommandText text{
        command->get_name(), command->get_description(), command->get_footer(), {}, {}};
    for (const CLI::Option* option : command->get_options(any_option)) {
      (option->get_positional() ? text.arguments : text.options).push_back(describe(*option));
    }
    program.commands.push_back(std::move(text));
  }
  return program;
}

}  // namespace merganser::cli
