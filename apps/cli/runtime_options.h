// The options that all commands share which run models.
#pragma once

#include <CLI/CLI.hpp>

#include "merganser/evaluate.h"

namespace merganser::cli {

void add_runtime_options(CLI::App& command, RuntimeOptions& options);

}  // namespace merganser::cli
