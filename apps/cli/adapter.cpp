#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "merganser/adapter.h"
#include "merganser/merganser.h"
#include "output.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

constexpr std::size_t kShown = 8;  // modules

std::string share_text(const std::optional<double>& share) {
  return share ? fmt::format("{:.2f} %", 100 * *share) : "";
}

void print(const AdapterReport& report) {
  std::vector<AdapterReport::Module> rows = report.modules;
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.residual > b.residual; });
  if (rows.size() > kShown) rows.resize(kShown);
  Table table({"module", "shape", "rank", "left out"}, {2, 3});
  for (const auto& row : rows) {
    table.add({safe(row.name), shape_text({row.out, row.in}), std::to_string(row.rank),
               share_text(row.residual)});
  }
  fmt::print("{}", table.text());
  if (report.modules.size() > rows.size()) {
    fmt::print("… and {} more modules, with less left out (--json lists them)\n",
               report.modules.size() - rows.size());
  }
  if (!report.saved_modules.empty()) {
    fmt::print("kept whole: {} modules\n", report.saved_modules.size());
  }
  if (!report.unchanged.empty()) fmt::print("unchanged: {} modules\n", report.unchanged.size());
  for (const auto& tensor : report.left_out) {
    fmt::print("left out: {}: {}\n", safe(tensor.name), safe(tensor.reason));
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  fmt::print("{}: {} modules, rank {}, {} parameters, {} in {:.2f} s", safe(report.output),
             report.modules.size(), report.r, count_text(report.parameters),
             bytes_text(report.bytes_written), report.seconds);
  if (report.residual) {
    fmt::print("; {} of the change is left out", share_text(report.residual));
  }
  fmt::print("\n");
}

template <class Request>
void add_shared(CLI::App& command, Request& request, Output& output) {
  command
      .add_option("--energy", request.energy,
                  "Share of each change's squared norm to hold, by the lowest rank that does")
      ->default_str("1");
  command.add_option("--dtype", request.dtype, "Type of the factors; default: that of the inputs")
      ->type_name("DTYPE");
  command.add_option("--threads", request.threads, "Threads; 0: one for each core")
      ->default_str("0")
      ->check(CLI::Range(0, 1024));
  command.add_flag("--force", request.force, "Replace an existing output");
  command.add_flag("--sync,!--no-sync", request.sync,
                   "Wait until the output is on the disk (default)");
  add_output_options(command, output);
}

}  // namespace

void add_extract_lora(CLI::App& app, Run& run) {
  struct Options {
    ExtractRequest request;
    std::string budget;
    Output output;
  };
  CLI::App* command = app.add_subcommand(
      "extract-lora", "Make a LoRA adapter of what fine-tuning changed, by singular values");
  command->footer(
      "merganser extract-lora tune/ base/ adapter/ --max-rank 32\n"
      "merganser extract-lora tune/ base/ adapter/ --energy 0.95 -e lm_head");
  auto options = std::make_shared<Options>();
  ExtractRequest& request = options->request;
  command->add_option("FINETUNED", request.finetuned, "The fine-tuned checkpoint")
      ->required()
      ->type_name("PATH");
  command->add_option("BASE", request.base, "The checkpoint it was fine-tuned from")
      ->required()
      ->type_name("PATH");
  command->add_option("OUTPUT", request.output, "The adapter's folder")
      ->required()
      ->type_name("PATH");
  command->add_option("--max-rank", request.max_rank, "Largest rank of a module")
      ->default_str("128");
  command
      ->add_option("--sv-epsilon", request.sv_epsilon,
                   "Leave out singular values up to this one; 0: none")
      ->default_str("0");
  command->add_option("--budget", options->budget,
                      "Size of all factors (64MB), spread so that the least is left out");
  command->add_flag("--distribute-scale,!--no-distribute-scale", request.distribute_scale,
                    "Both factors take the root of the singular values (default), or A takes them");
  command->add_flag("--embed-lora,!--no-embed-lora", request.embed_lora,
                    "Factors of the embeddings, too; else they are kept whole");
  command->add_option("--save-module", request.save_modules, "Keep this module whole (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option("-e,--exclude-regex", request.exclude_regexes,
                   "Leave out modules whose name matches (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option("-i,--include-regex", request.include_regexes,
                   "Only modules whose name matches (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--skip-undecomposable", request.skip_undecomposable,
                    "Leave out what is no matrix (norms), instead of keeping it whole");
  add_shared(*command, request, options->output);
  command->callback([options, &run] {
    run = [options] {
      if (!options->budget.empty()) options->request.budget = parse_bytes(options->budget);
      show(
          options->output,
          [&](Progress& progress) { return extract_adapter(options->request, progress); },
          [](const auto& report) { print(report); });
      return 0;
    };
  });
}

void add_merge_lora(CLI::App& app, Run& run) {
  struct Options {
    MergeAdaptersRequest request;
    std::vector<std::string> paths;
    std::optional<double> density;
    Output output;
  };
  CLI::App* command =
      app.add_subcommand("merge-lora", "Merge LoRA adapters of one base into one adapter");
  command->footer(
      "merganser merge-lora a/ b/ merged/ --weights 0.7,0.3\n"
      "merganser merge-lora a/ b/ merged/ --method ties_svd --density 0.5 --rank 32");
  auto options = std::make_shared<Options>();
  MergeAdaptersRequest& request = options->request;
  command->add_option("ARGUMENTS", options->paths, "ADAPTER... OUTPUT: folders")
      ->required()
      ->type_name("PATH");
  std::vector<std::string> names;
  for (const auto& [name, summary] : adapter_methods()) names.push_back(name);
  command->add_option("-m,--method", request.method, "How to merge, by PEFT's names")
      ->check(CLI::IsMember(names))
      ->default_str("exact");
  command->add_option("--weights", request.weights, "One for each adapter; default 1")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--density", options->density, "Share of the elements that stay");
  command->add_option("--majority-sign", request.majority_sign, "How signs are elected")
      ->check(CLI::IsMember({"total", "frequency"}))
      ->default_str("total");
  command->add_option("--rank", request.rank,
                      "Largest rank; default: the largest of the adapters, of exact what there is");
  command->add_option("--seed", request.seed, "Of random masks")->default_str("0");
  add_shared(*command, request, options->output);
  command->callback([options, &run] {
    run = [options] {
      MergeAdaptersRequest& wanted = options->request;
      if (options->paths.size() < 2) {
        throw Error(ErrorKind::usage, "an output and at least one adapter are needed")
            .hint("merganser merge-lora A B OUTPUT");
      }
      wanted.output = options->paths.back();
      wanted.adapters.assign(options->paths.begin(), options->paths.end() - 1);
      wanted.density = options->density;
      show(
          options->output, [&](Progress& progress) { return merge_adapters(wanted, progress); },
          [](const auto& report) { print(report); });
      return 0;
    };
  });
}

}  // namespace merganser::cli
