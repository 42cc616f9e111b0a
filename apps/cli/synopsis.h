// The program's commands and options as plain values, read from CLI11's own description of them:
// help, completions and the manual page have one source and cannot differ.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace merganser::cli {

struct OptionText {
  std::vector<std::string> names;    // "-o", "--output"; of an argument: its name alone
  std::string value;                 // "PATH", "METHOD", "N"; empty: a flag
  std::vector<std::string> choices;  // the values that it takes, where these are a list
  std::string description, fallback;
  bool required = false, many = false;

  bool takes_path() const { return value == "PATH"; }
};

struct CommandText {
  std::string name, description, footer;
  std::vector<OptionText> options, arguments;  // arguments in their order
};

struct ProgramText {
  std::string name, version, description;
  std::vector<OptionText> options;
  std::vector<CommandText> commands;  // without the hidden ones
};

// `app` has its name and all of its subcommands. Options of the type METHOD get the methods' names
// as choices.
ProgramText describe(const CLI::App& app);

// Scripts for the shells' completion of the program's command line.
std::string bash_completion(const ProgramText& program);
std::string zsh_completion(const ProgramText& program);
std::string fish_completion(const ProgramText& program);
// merganser(1), in the man macros of roff.
std::string manual_page(const ProgramText& program);

}  // namespace merganser::cli
