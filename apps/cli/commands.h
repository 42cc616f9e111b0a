// One function a subcommand: declares its options; runs when chosen. The exit status is what it
// returns: 0, or 1 where a command answers "different".
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace merganser::cli {

using Run = std::function<int()>;

// Each adds a subcommand to `app` and sets `run` when it is parsed.
void add_merge(CLI::App& app, Run& run);
void add_plan(CLI::App& app, Run& run);
void add_materialise(CLI::App& app, Run& run);
void add_replay(CLI::App& app, Run& run);
void add_verify(CLI::App& app, Run& run);
void add_methods(CLI::App& app, Run& run);
void add_inspect(CLI::App& app, Run& run);
void add_diff(CLI::App& app, Run& run);
void add_analyze(CLI::App& app, Run& run);
void add_barrier(CLI::App& app, Run& run);
void add_evaluate(CLI::App& app, Run& run);
void add_generate(CLI::App& app, Run& run);
void add_logits(CLI::App& app, Run& run);
void add_train(CLI::App& app, Run& run);
void add_fit_head(CLI::App& app, Run& run);
void add_route(CLI::App& app, Run& run);
void add_tune(CLI::App& app, Run& run);
void add_soup(CLI::App& app, Run& run);
void add_extract_lora(CLI::App& app, Run& run);
void add_merge_lora(CLI::App& app, Run& run);
// Hidden: `completion SHELL` and `man` print what the installation ships.
void add_shell_texts(CLI::App& app, Run& run);

}  // namespace merganser::cli
