#include "merganser/analyze.h"

#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "merganser/merganser.h"
#include "output.h"
#include "request_options.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

constexpr std::size_t kLayers = 5;  // shown

std::string percent(const AnalysisReport::Number& share) {
  if (!share) return "-";
  return fmt::format("{:.1f} %", 100 * *share);
}

std::string plain(const AnalysisReport::Number& value, const char* none = "-") {
  return value ? fmt::format("{:.3g}", *value) : none;
}

void print_models(const AnalysisReport& report) {
  std::vector<std::string> header = {"fine-tune", "|D|/|W_0|"};
  std::vector<std::size_t> right = {1};
  for (const auto& [part, share] : report.models.front().shares) {
    right.push_back(header.size());
    header.push_back(part);
  }
  header.insert(header.end(), {"rank for 90 %", "effective rank"});
  right.insert(right.end(), {header.size() - 2, header.size() - 1});
  Table table(header, right);
  for (const AnalysisReport::Model& model : report.models) {
    std::vector<std::string> row = {safe(model.short_name), plain(model.relative)};
    for (const auto& [part, share] : model.shares) row.push_back(percent(share));
    row.push_back(plain(model.rank_90, model.rank_beyond ? "more" : "-"));
    row.push_back(plain(model.effective_rank));
    table.add(std::move(row));
  }
  fmt::print("{}\n", table.text());
}

void print_pairs(const AnalysisReport& report) {
  if (report.pairs.empty()) return;
  Table table({"fine-tunes", "cosine", "signs differ", "in the top of both", "tops overlap"},
              {1, 2, 3, 4});
  for (const AnalysisReport::Pair& pair : report.pairs) {
    table.add({safe(pair.a) + ", " + safe(pair.b), plain(pair.cosine), percent(pair.sign_conflict),
               percent(pair.sign_conflict_top), percent(pair.overlap_top)});
  }
  fmt::print("{}\n", table.text());
}

void print_layers(const AnalysisReport& report) {
  if (report.layers.empty() || report.pairs.empty()) return;
  std::vector<AnalysisReport::Layer> layers = report.layers;
  std::ranges::stable_sort(layers, [](const auto& a, const auto& b) {
    return a.sign_conflict_top.value_or(0) > b.sign_conflict_top.value_or(0);
  });
  if (layers.size() > kLayers) layers.resize(kLayers);
  std::vector<std::string> header = {"layer", "signs differ in both tops", "lowest cosine"};
  std::vector<std::size_t> right = {0, 1, 2};
  for (const AnalysisReport::Model& model : report.models) {
    right.push_back(header.size());
    header.push_back("|D|/|W_0| " + safe(model.short_name));
  }
  Table table(header, right);
  for (const AnalysisReport::Layer& layer : layers) {
    const std::string number = std::to_string(layer.layer);
    std::vector<std::string> row = {
        layer.module.empty() ? number : safe(layer.module) + ' ' + number,
        percent(layer.sign_conflict_top), plain(layer.cosine)};
    for (const auto& relative : layer.relative) row.push_back(plain(relative));
    table.add(std::move(row));
  }
  fmt::print("{}", table.text());
  if (report.layers.size() > layers.size()) {
    fmt::print("… and {} layers with fewer conflicts\n", report.layers.size() - layers.size());
  }
  fmt::print("\n");
}

void print_methods(const AnalysisReport& report) {
  if (report.methods.empty()) return;
  std::vector<std::string> header = {"a merge by"};
  std::vector<std::size_t> right;
  for (const AnalysisReport::Model& model : report.models) {
    right.push_back(header.size());
    header.push_back("loses of " + safe(model.short_name));
  }
  Table table(header, right);
  for (const AnalysisReport::Method& method : report.methods) {
    std::vector<std::string> row = {safe(method.label)};
    for (const auto& loss : method.losses) row.push_back(percent(loss));
    table.add(std::move(row));
  }
  fmt::print("{}\n", table.text());
}

void print_report(const AnalysisReport& report) {
  print_models(report);
  print_pairs(report);
  print_layers(report);
  print_methods(report);
  for (const AnalysisReport::Advice& advice : report.advice) {
    fmt::print("{}{}\n", advice.level == "warning" ? "warning: " : "- ", safe(advice.text));
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  fmt::print("{} fine-tune{} of {} in {:.1f} s\n", report.models.size(),
             report.models.size() == 1 ? "" : "s", safe(report.base), report.seconds);
  if (!report.report.empty()) fmt::print("report: {}\n", safe(report.report));
}

}  // namespace

void add_analyze(CLI::App& app, Run& run) {
  struct Options {
    AnalysisRequest request;
    std::vector<std::string> paths;
    std::string memory, seed;
    Output output;
  };
  CLI::App* command = app.add_subcommand(
      "analyze", "Show what fine-tunes changed, where they collide, and what merges would lose");
  command->footer(
      "merganser analyze recipe.yml --report report.html\n"
      "merganser analyze base/ tune-a/ tune-b/ --json");
  auto options = std::make_shared<Options>();
  AnalysisRequest& request = options->request;
  command->add_option("ARGUMENTS", options->paths, "RECIPE.yml; or BASE FINETUNED...")
      ->required()
      ->type_name("PATH");
  command
      ->add_option("--rank", request.rank,
                   "Singular values looked at of each change; also the rank of SMILE's experts")
      ->default_str("64");
  command
      ->add_option("--top", request.top_share,
                   "Share of a change's elements that counts as its top, by magnitude")
      ->default_str("0.2");
  command
      ->add_option("--angles", request.angles,
                   "Leading singular vectors that angles are taken between; 0: none")
      ->default_str("8");
  command->add_flag("--zones,!--no-zones", request.zones,
                    "The base's singular subspaces (default); they take the longest");
  command->add_flag("--losses,!--no-losses", request.losses,
                    "What merges would lose of each fine-tune (default)");
  command->add_option("--seed", options->seed, "Of random masks; overrides the recipe's");
  command->add_option("--memory", options->memory,
                      "What matrices at work may take; default 900MB, or what the largest needs");
  command->add_option("--threads", request.threads, "Worker threads; 0: one for each core")
      ->default_str("0")
      ->check(CLI::Range(0, 1024));
  add_report_options(*command, request.report, request.force);
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      AnalysisRequest& wanted = options->request;
      if (!options->memory.empty()) wanted.memory = parse_bytes(options->memory);
      if (!options->seed.empty()) wanted.seed = parse_seed(options->seed);
      if (options->paths.size() == 1) {
        wanted.recipe_file = options->paths.front();
      } else {
        wanted.base = options->paths.front();
        wanted.models.assign(options->paths.begin() + 1, options->paths.end());
      }
      show(
          options->output, [&](Progress& progress) { return analyze(wanted, progress); },
          [](const auto& report) { print_report(report); });
      return 0;
    };
  });
}

}  // namespace merganser::cli
