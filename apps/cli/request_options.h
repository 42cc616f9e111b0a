// The options that `merge` and `plan` share.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "merganser/merganser.h"

namespace merganser::cli {

struct RequestOptions {
  Request request;
  std::vector<std::string> positional;  // RECIPE [OUT], or the models with --method
  std::vector<std::string> parameters;  // "name=value"
  std::string memory, max_shard, seed;  // as typed; empty: the default
  bool json = false, quiet = false;

  // Completes the request from what was parsed. Throws Error(usage).
  const Request& finish(bool needs_output);
};

std::shared_ptr<RequestOptions> add_request_options(CLI::App& command);

// A whole number from 0 to 2^64 - 1. Throws Error(usage).
std::uint64_t parse_seed(const std::string& text);

}  // namespace merganser::cli
