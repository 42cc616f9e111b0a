// What `tune` and `soup` share: the options of a choice on validation data, and its tables.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "merganser/tune.h"

namespace merganser::cli {

void add_choice_options(CLI::App& command, ChoiceOptions& options);

// The command line as it was typed, for the recipe that it makes.
std::string command_line(const CLI::App& app);

// `columns`: names of what a candidate's values are; `cells`: those values as text.
void print_choice(
    const TuneReport& report, const std::vector<std::string>& columns,
    const std::function<std::vector<std::string>(const TuneReport::Candidate&)>& cells);

// Of a command whose search was interrupted, as shells report it; else 0.
int choice_status(const TuneReport& report);

}  // namespace merganser::cli
