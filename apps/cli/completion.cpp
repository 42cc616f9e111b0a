#include <fmt/format.h>

#include "synopsis.h"

namespace merganser::cli {
namespace {

// Within single quotes of any of the three shells.
std::string in_quotes(std::string_view text, std::string_view also_escaped = "") {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
      continue;
    }
    if (also_escaped.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out + "'";
}

std::string spaced(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string option_names(const std::vector<OptionText>& options) {
  std::string names;
  for (const OptionText& option : options) {
    names += (names.empty() ? "" : " ") + spaced(option.names);
  }
  return names;
}

// What to offer for a value of this kind: words, files or nothing.
std::string bash_offer(const OptionText& option) {
  if (!option.choices.empty()) return fmt::format("words=\"{}\"", spaced(option.choices));
  return option.takes_path() ? "files=yes" : ":";
}

std::string bash_command(const CommandText& command) {
  std::string text = fmt::format("    {})\n      case $previous in\n", command.name);
  for (const OptionText& option : command.options) {
    if (option.value.empty()) continue;
    text += fmt::format("        {}) {}; value=yes ;;\n", fmt::join(option.names, " | "),
                        bash_offer(option));
  }
  text += "      esac\n";
  text += fmt::format("      options=\"{}\"\n", option_names(command.options));
  for (const OptionText& argument : command.arguments) {
    const std::string offer = bash_offer(argument);
    if (offer == ":") continue;
    text += fmt::format("      [[ $value ]] || {}\n", offer);
    break;  // arguments after the first are of the same kind, or free text
  }
  return text + "      ;;\n";
}

constexpr const char* kBashHead = R"(# bash completion for {0}; written by `{0} completion bash`
_{0}() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command= options= words= files= value= i
  # bash breaks --name=value into three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${{COMP_WORDS[COMP_CWORD - 2]}}
  fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    [[ ${{COMP_WORDS[i]}} == -* ]] || {{ command=${{COMP_WORDS[i]}}; break; }}
  done
  case $command in
    '') words="{1}"; options="{2}" ;;
)";

constexpr const char* kBashTail = R"(  esac
  [[ $current == -* && ! $value ]] && words=$options files=
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(compgen -f -- "$current")
  fi
}}
complete -F _{0} {0}
)";

std::string zsh_value(const OptionText& option) {
  if (option.value.empty()) return "";
  std::string action = option.takes_path() ? "_files" : " ";
  if (!option.choices.empty()) action = "(" + spaced(option.choices) + ")";
  return fmt::format(":{}:{}", option.value, action);
}

std::string zsh_option(const OptionText& option) {
  std::string text = in_quotes(fmt::format("({})", spaced(option.names)));
  text += option.names.size() == 1 ? option.names.front()
                                   : fmt::format("{{{}}}", fmt::join(option.names, ","));
  std::string help = in_quotes(option.description, "[]:\\");
  help.insert(1, "[");
  help.insert(help.size() - 1, "]" + zsh_value(option));
  return text + help;
}

std::string zsh_argument(const OptionText& argument, std::size_t number) {
  const std::string place = argument.many ? "*" : std::to_string(number);
  OptionText named = argument;
  if (named.value.empty()) named.value = named.names.front();
  const std::string value = zsh_value(named);
  return in_quotes(place + (argument.required || argument.many ? "" : ":") + value);
}

std::string fish_value(const OptionText& option) {
  if (option.value.empty()) return "";
  if (!option.choices.empty()) return " -x -a " + in_quotes(spaced(option.choices), "\\");
  return option.takes_path() ? " -r -F" : " -x";
}

std::string fish_option(const std::string& start, const OptionText& option) {
  std::string text = start;
  for (const std::string& name : option.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  return text + fish_value(option) + " -d " + in_quotes(option.description, "\\") + "\n";
}

}  // namespace

std::string bash_completion(const ProgramText& program) {
  std::vector<std::string> names;
  for (const CommandText& command : program.commands) names.push_back(command.name);
  std::string text =
      fmt::format(kBashHead, program.name, spaced(names), option_names(program.options));
  for (const CommandText& command : program.commands) text += bash_command(command);
  return text + fmt::format(kBashTail, program.name);
}

std::string zsh_completion(const ProgramText& program) {
  std::string text = fmt::format(
      "#compdef {0}\n# written by `{0} completion zsh`\n_{0}() {{\n"
      "  local context state line\n  typeset -A opt_args\n  _arguments -C \\\n",
      program.name);
  for (const OptionText& option : program.options) text += "    " + zsh_option(option) + " \\\n";
  text += "    '1:command:->command' '*::argument:->argument'\n  case $state in\n  command)\n";
  text += "    local -a commands=(\n";
  for (const CommandText& command : program.commands) {
    std::string entry = in_quotes(command.description, ":\\");
    text += "      " + entry.insert(1, command.name + ":") + "\n";
  }
  text += "    )\n    _describe command commands ;;\n  argument)\n    case $line[1] in\n";
  for (const CommandText& command : program.commands) {
    text += fmt::format("    {})\n      _arguments", command.name);
    for (const OptionText& option : command.options) text += " \\\n        " + zsh_option(option);
    std::size_t number = 0;
    for (const OptionText& argument : command.arguments) {
      text += " \\\n        " + zsh_argument(argument, ++number);
    }
    text += " ;;\n";
  }
  return text + fmt::format("    esac ;;\n  esac\n}}\n_{0} \"$@\"\n", program.name);
}

std::string fish_completion(const ProgramText& program) {
  std::string text =
      fmt::format("# fish completion for {0}; written by `{0} completion fish`\n", program.name);
  const std::string start = "complete -c " + program.name;
  const std::string top = start + " -n __fish_use_subcommand";
  for (const OptionText& option : program.options) text += fish_option(top, option);
  for (const CommandText& command : program.commands) {
    text +=
        fmt::format("{} -f -a {} -d {}\n", top, command.name, in_quotes(command.description, "\\"));
  }
  for (const CommandText& command : program.commands) {
    const std::string within =
        fmt::format("{} -n '__fish_seen_subcommand_from {}'", start, command.name);
    for (const OptionText& option : command.options) text += fish_option(within, option);
    for (const OptionText& argument : command.arguments) {
      if (argument.choices.empty()) continue;
      text += fmt::format("{} -f -a {}\n", within, in_quotes(spaced(argument.choices), "\\"));
    }
  }
  return text;
}

}  // namespace merganser::cli
