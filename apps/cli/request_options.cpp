#include "request_options.h"

#include <charconv>

#include "merganser/error.h"

namespace merganser::cli {
// CLI11 reads "-1" into an unsigned number.
std::uint64_t parse_seed(const std::string& text) {
  std::uint64_t seed = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (code == std::errc{} && end == text.data() + text.size()) return seed;
  throw Error(ErrorKind::usage, "--seed '" + text + "' is not a whole number from 0 to 2^64 - 1");
}

std::shared_ptr<RequestOptions> add_request_options(CLI::App& command) {
  auto options = std::make_shared<RequestOptions>();
  Request& request = options->request;
  command
      .add_option("ARGUMENTS", options->positional, "RECIPE.yml [OUTPUT]; with --method the models")
      ->type_name("PATH");
  command
      .add_option("-o,--output", request.output,
                  "Output folder, or .safetensors file where the inputs are single files")
      ->type_name("PATH");
  command.add_option("-m,--method", request.method, "Merge without a recipe, by this method")
      ->type_name("METHOD");
  command.add_option("--base-model", request.base_model, "Base model, with --method")
      ->type_name("PATH");
  command
      .add_option("-p,--parameter", options->parameters,
                  "NAME=VALUE of the method, as in a recipe; 0.3,0.7 is one value a model")
      ->allow_extra_args(false);
  command.add_option("--dtype", request.dtype, "Stored type of the output, with --method");
  command.add_option("--only", request.only, "Only output tensors whose name matches this glob");
  command.add_option("--memory", options->memory,
                     "Private memory; default 256MiB, or what methods on whole matrices need");
  command.add_option("--threads", request.threads, "Worker threads; 0: one for each core")
      ->default_str("0")
      ->check(CLI::Range(0, 1024));
  command.add_option("--max-shard-size", options->max_shard, "Largest output file; default 5GB");
  command.add_option("--seed", options->seed, "Seed of random methods; overrides the recipe's");
  command.add_flag("--allow-mixed-architectures", request.allow_mixed_architectures,
                   "Stack layers of different families where they fit");
  command.add_flag("--force", request.force, "Replace an existing output");
  command.add_flag("--json", options->json, "Report as JSON on standard output");
  command.add_flag("--quiet", options->quiet, "No progress, no summary");
  return options;
}

const Request& RequestOptions::finish(bool needs_output) {
  if (!memory.empty()) request.memory = parse_bytes(memory);
  if (!max_shard.empty()) request.max_shard = parse_bytes(max_shard);
  if (!seed.empty()) request.seed = parse_seed(seed);
  if (request.method.empty()) {
    if (positional.empty()) {
      throw Error(ErrorKind::usage, "no recipe is given")
          .hint(
              "merganser merge RECIPE.yml OUTPUT, or merganser merge --method NAME A B -o OUTPUT");
    }
    if (positional.size() > 2) {
      throw Error(ErrorKind::usage, "more than a recipe and an output is given")
          .hint("models stand in the recipe, or behind --method");
    }
    for (const auto* given : {&request.base_model, &request.dtype}) {
      if (!given->empty()) {
        throw Error(ErrorKind::usage, "--base-model and --dtype go with --method")
            .hint("in a recipe they are keys");
      }
    }
    if (!parameters.empty()) {
      throw Error(ErrorKind::usage, "-p goes with --method").hint("a recipe has parameters:");
    }
    request.recipe_file = positional[0];
    if (positional.size() == 2) {
      if (!request.output.empty()) throw Error(ErrorKind::usage, "two outputs are given");
      request.output = positional[1];
    }
  } else {
    request.models = positional;
    for (const std::string& parameter : parameters) {
      const std::size_t equals = parameter.find('=');
      if (equals == std::string::npos || equals == 0) {
        throw Error(ErrorKind::usage, "'" + parameter + "' is not of the form NAME=VALUE");
      }
      request.parameters.emplace_back(parameter.substr(0, equals), parameter.substr(equals + 1));
    }
  }
  if (needs_output && request.output.empty()) {
    throw Error(ErrorKind::usage, "no output is given").hint("-o OUTPUT");
  }
  return request;
}

}  // namespace merganser::cli
