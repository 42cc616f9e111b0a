#include "merganser/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "commands.h"
#include "output.h"
#include "runtime_options.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

using Counts = RouteReport::Counts;

constexpr std::size_t kFew = 4;  // experts whose shares have room in a cell

std::string shares_text(const RouteReport& report, const Counts& counts) {
  std::uint64_t sum = 0;
  for (const std::uint64_t each : counts.choices) sum += each;
  if (sum == 0) return "–";
  const auto percent = [&](std::uint64_t choices) {
    return 100 * static_cast<double>(choices) / static_cast<double>(sum);
  };
  std::string text;
  if (counts.choices.size() <= kFew) {
    for (const std::uint64_t each : counts.choices) {
      text += fmt::format("{}{:.1f}", text.empty() ? "" : " / ", percent(each));
    }
    return text + " %";
  }
  const auto most = std::max_element(counts.choices.begin(), counts.choices.end());
  const auto expert = static_cast<std::size_t>(most - counts.choices.begin());
  return fmt::format("{} {:.1f} %", safe(report.experts[expert]), percent(*most));
}

std::string bits(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? fmt::format("{:.3f}", *value) : "–";
}

// Layers of one row of the table, summed.
Counts sum_of(const RouteReport::Task& task, const std::vector<std::size_t>& layers) {
  Counts sum;
  sum.choices.assign(task.total.choices.size(), 0);
  double agreeing = 0, known = 0, choices = 0;
  for (const std::size_t l : layers) {
    const Counts& counts = task.layers[l];
    for (std::size_t e = 0; e < sum.choices.size(); ++e) sum.choices[e] += counts.choices[e];
    if (!counts.agreement) continue;
    agreeing += *counts.agreement;
    known += 1;
  }
  for (const std::uint64_t each : sum.choices) choices += static_cast<double>(each);
  if (known == 0) return sum;
  sum.agreement = agreeing / known;
  sum.entropy = 0;
  for (const std::uint64_t each : sum.choices) {
    const double share = static_cast<double>(each) / choices;
    if (share > 0) *sum.entropy -= share * std::log2(share);
  }
  return sum;
}

// Rows: name, layers.
std::vector<std::pair<std::string, std::vector<std::size_t>>> rows_of(const RouteReport& report,
                                                                      const std::string& by) {
  std::vector<std::pair<std::string, std::vector<std::size_t>>> rows;
  std::map<std::string, std::size_t> known;
  for (std::size_t l = 0; l < report.layers.size(); ++l) {
    const RouteReport::Layer& layer = report.layers[l];
    std::string name = layer.name;
    if (layer.block && by == "role") name = layer.role;
    if (layer.block && by == "block") name = fmt::format("block {}", *layer.block);
    const auto [found, added] = known.emplace(name, rows.size());
    if (added) rows.push_back({name, {}});
    rows[found->second].second.push_back(l);
  }
  return rows;
}

void print_report(const RouteReport& report, const std::string& by) {
  std::vector<std::string> header = {"layers with experts"};
  std::vector<std::size_t> right;
  const bool few = report.experts.size() <= kFew;
  for (const RouteReport::Task& task : report.tasks) {
    for (const char* what : {few ? "shares" : "most chosen", "entropy", "own"}) {
      right.push_back(header.size());
      header.push_back(header.size() % 3 == 1 ? fmt::format("{}: {}", safe(task.name), what)
                                              : what);
    }
  }
  Table table(header, right);
  const auto add = [&](const std::string& name, const std::vector<Counts>& tasks) {
    std::vector<std::string> cells = {safe(name)};
    for (const Counts& counts : tasks) {
      cells.push_back(shares_text(report, counts));
      cells.push_back(bits(counts.entropy));
      cells.push_back(counts.agreement ? fmt::format("{:.1f} %", 100 * *counts.agreement) : "–");
    }
    table.add(std::move(cells));
  };
  for (const auto& [name, layers] : rows_of(report, by)) {
    std::vector<Counts> tasks;
    for (const RouteReport::Task& task : report.tasks) tasks.push_back(sum_of(task, layers));
    add(name, tasks);
  }
  std::vector<Counts> all;
  for (const RouteReport::Task& task : report.tasks) all.push_back(task.total);
  add("all", all);
  fmt::print("{}\n", table.text());
  std::string names;
  for (const std::string& expert : report.experts) {
    names += (names.empty() ? "" : few ? " / " : ", ") + safe(expert);
  }
  fmt::print(
      "experts: {}; entropy in bits, at most {:.2f}; own: tokens whose best expert is the "
      "task's own\n",
      names, std::log2(static_cast<double>(report.experts.size())));
  for (const RouteReport::Task& task : report.tasks) {
    fmt::print("{}: own expert {}; {} tokens in {} rows of {}\n", safe(task.name),
               safe(task.expert), task.tokens, task.rows, report.split);
  }
  if (report.mean_information) {
    fmt::print(
        "a choice tells {:.4f} bits of the task, of {:.2f}: 0 is nothing\n",
        *report.mean_information,
        std::log2(static_cast<double>(std::min(report.tasks.size(), report.experts.size()))));
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  if (!report.report.empty()) fmt::print("report: {}\n", safe(report.report));
}

}  // namespace

void add_route(CLI::App& app, Run& run) {
  struct Options {
    RouteRequest request;
    std::string by = "role";
    Output output;
  };
  CLI::App* command =
      app.add_subcommand("route", "Show which experts a mixture's routers choose on tasks");
  command->footer(
      "merganser route mixture/ --task shakespeare.yml --task inaugural.yml --report routes.html");
  auto options = std::make_shared<Options>();
  RouteRequest& request = options->request;
  command->add_option("MODEL", request.model, "Mixture of experts (merge_method: smile)")
      ->type_name("PATH")
      ->required();
  command->add_option("--task,-t", request.tasks, "Task file; several tasks by several options")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->required();
  command
      ->add_option("--expert", request.experts,
                   "The task's own expert; else the one of its name, else the best by trying")
      ->type_name("TASK=EXPERT")
      ->allow_extra_args(false);
  command->add_option("--split", request.split, "Split of the data")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->default_str("test");
  command->add_option("--by", options->by, "Rows of the table")
      ->check(CLI::IsMember({"role", "block", "layer"}))
      ->default_str("role");
  add_runtime_options(*command, request.runtime);
  add_report_options(*command, request.report, request.force);
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      show(
          options->output, [&](Progress& progress) { return route(options->request, progress); },
          [&](const RouteReport& report) { print_report(report, options->by); });
      return 0;
    };
  });
}

}  // namespace merganser::cli
