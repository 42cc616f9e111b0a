#include "merganser/generate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "commands.h"
#include "request_options.h"
#include "runtime_options.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

void print_report(const GenerateReport& report) {
  std::size_t tokens = 0;
  for (const GenerateReport::Text& text : report.texts) {
    fmt::print("{}\n", fmt::join(text.made, ","));
    tokens += text.made.size();
  }
  fmt::print(stderr, "{} tokens in {:.2f} s ({:.1f}/s)\n", tokens, report.seconds,
             static_cast<double>(tokens) / std::max(report.seconds, 1e-9));
}

}  // namespace

void add_generate(CLI::App& app, Run& run) {
  struct Options {
    GenerateRequest request;
    std::string seed;
    bool json = false, quiet = false;
  };
  CLI::App* command = app.add_subcommand("generate", "Let a language model write, in token ids");
  command->footer("merganser generate model/ --ids 1,403,407 --max-new-tokens 50");
  auto options = std::make_shared<Options>();
  GenerateRequest& request = options->request;
  command->add_option("MODEL", request.model, "A checkpoint of a causal language model")
      ->type_name("PATH")
      ->required();
  command->add_option("--ids", request.ids, "The prompt: token ids between commas")->delimiter(',');
  command
      ->add_option("--ids-file", request.ids_file,
                   "Prompts: a .safetensors file with `ids` [rows, length] and maybe `mask`")
      ->type_name("FILE");
  command->add_option("--max-new-tokens,-n", request.max_new_tokens, "Of each prompt, at most")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 31))
      ->default_str("64");
  command->add_option("--stop", request.stop, "Ids that end a text too")->delimiter(',');
  command->add_flag("--eos,!--no-eos", request.eos,
                    "Stop at the end token that the checkpoint names (default)");
  command->add_option("--temperature", request.temperature, "Of sampling; 0: the likeliest token")
      ->default_str("0")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--top-k", request.top_k, "Sample among the k likeliest; 0: among all")
      ->default_str("0")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--seed", options->seed, "Of sampling")->default_str("0");
  add_runtime_options(*command, request.runtime);
  command->remove_option(command->get_option("--batch"));  // prompts run one by one
  command->add_flag("--json", options->json, "Everything, as JSON on standard output");
  command->add_flag("--quiet", options->quiet, "No progress, no times");
  command->callback([options, &run] {
    run = [options] {
      if (!options->seed.empty()) options->request.seed = parse_seed(options->seed);
      Watch watch(!options->quiet);
      const GenerateReport report = generate(options->request, watch);
      watch.finish();
      if (options->json) {
        fmt::print("{}\n", report.json());
      } else {
        print_report(report);
      }
      return 0;
    };
  });
}

}  // namespace merganser::cli
