#include "choice_options.h"

#include <fmt/format.h>

#include "figures.h"
#include "runtime_options.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

constexpr int kInterrupted = 130;  // 128 + SIGINT

void print_references(const TuneReport& report) {
  if (report.references.rows.empty()) return;
  fmt::print("{}\n", figures_table(report.references));
}

}  // namespace

void add_choice_options(CLI::App& command, ChoiceOptions& options) {
  command.add_option("--task,-t", options.tasks, "Task file; several tasks by several options")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--objective", options.objective,
                  "What is made as large as it can be: the least or the mean of the tasks' gains, "
                  "or the mean of their metrics, losses negated (least_gain where base and inputs "
                  "are known)")
      ->check(CLI::IsMember({"least_gain", "mean_gain", "mean_metric"}));
  const auto splits = CLI::IsMember({"train", "validation", "test"});
  command.add_option("--split", options.validation, "Split that candidates are chosen by")
      ->check(splits)
      ->default_str("validation");
  command
      .add_option("--test-split", options.test,
                  "Split that the choice is reported on at the end, without a part in it")
      ->check(CLI::IsMember({"train", "validation", "test", ""}))
      ->default_str("test");
  command.add_option("--output,-o", options.output, "Recipe file to write")
      ->type_name("FILE")
      ->required();
  command.add_flag("--force", options.force, "Replace an existing one");
  add_runtime_options(command, options.runtime);
}

std::string command_line(const CLI::App& app) {
  const CLI::App* root = &app;
  while (root->get_parent() != nullptr) root = root->get_parent();
  std::string text = "merganser";
  // CLI11 has what was parsed in the order of the options, not of the line: from the options then.
  text += " " + app.get_name();
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0) continue;
    const std::string name = option->get_single_name();
    for (const std::string& value : option->results()) {
      const bool plain =
          value.find_first_not_of(
              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@") ==
          std::string::npos;
      const std::string shown = plain && !value.empty() ? value : "'" + value + "'";
      if (option->get_positional()) {
        text += " " + shown;
      } else if (option->get_items_expected_min() == 0) {
        text += " --" + name;
      } else {
        text += " --" + name + " " + shown;
      }
    }
  }
  return text;
}

void print_choice(
    const TuneReport& report, const std::vector<std::string>& columns,
    const std::function<std::vector<std::string>(const TuneReport::Candidate&)>& cells) {
  print_references(report);
  std::vector<std::string> header = {"candidate"};
  std::vector<std::size_t> right = {0};
  const auto add = [&](std::string name) {
    right.push_back(header.size());
    header.push_back(std::move(name));
  };
  for (const std::string& column : columns) add(safe(column));
  for (const TuneReport::Task& task : report.tasks) {
    add(fmt::format("{}, {}", safe(task.name), task.metric));
    if (!report.candidates.empty() && !report.candidates.front().gains.empty()) add("gain");
  }
  add(report.objective);
  header.emplace_back("");
  Table table(header, right);
  std::vector<std::string> failures;
  for (std::size_t c = 0; c < report.candidates.size(); ++c) {
    const TuneReport::Candidate& candidate = report.candidates[c];
    std::vector<std::string> row = {fmt::format("{}", c + 1)};
    for (std::string& cell : cells(candidate)) row.push_back(std::move(cell));
    if (!candidate.objective) {
      row.resize(header.size() - 1);
      row.emplace_back("failed");
      failures.push_back(fmt::format("candidate {}: {}", c + 1, safe(candidate.failure)));
      table.add(std::move(row));
      continue;
    }
    for (std::size_t t = 0; t < report.tasks.size(); ++t) {
      row.push_back(metric_text(candidate.metrics[t], report.tasks[t].metric));
      if (!candidate.gains.empty()) row.push_back(gain_text(candidate.gains[t]));
    }
    row.push_back(fmt::format("{:.4f}", *candidate.objective + 0.0));
    row.emplace_back(report.best == c ? "best" : candidate.accepted ? "better" : "");
    table.add(std::move(row));
  }
  fmt::print("{}\n", table.text());
  for (const std::string& failure : failures) fmt::print("{}\n", failure);
  fmt::print("chosen by {} on {}: candidate {}; merging took {:.1f} s, evaluating {:.1f} s\n",
             report.objective, report.validation, *report.best + 1, report.merge_seconds,
             report.evaluate_seconds);
  if (!report.tested.rows.empty()) {
    fmt::print("\non {}, which had no part in the choice:\n{}", report.test,
               figures_table(report.tested));
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  if (!report.output.empty()) fmt::print("recipe: {}\n", safe(report.output));
  if (report.interrupted) {
    fmt::print("interrupted: this is the best of {} candidates\n", report.candidates.size());
  }
}

int choice_status(const TuneReport& report) { return report.interrupted ? kInterrupted : 0; }

}  // namespace merganser::cli
