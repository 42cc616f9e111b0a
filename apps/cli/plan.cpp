#include <fmt/format.h>

#include "collapse.h"
#include "commands.h"
#include "request_options.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

std::string inputs_text(const TensorReport& tensor, const PlanReport& plan) {
  std::string text;
  for (const TensorReport::Input& input : tensor.inputs) {
    std::size_t model = 0;
    while (model < plan.models.size() && plan.models[model] != input.model) ++model;
    if (!text.empty()) text += " ";
    const std::string number = std::to_string(model + 1);
    text += input.read ? number : "(" + number + ")";
  }
  return text;
}

std::string parameters_text(const TensorReport& tensor) {
  std::string text;
  for (const auto& [name, value] : tensor.parameters) {
    const bool worth_it = name.starts_with("weight") || name.starts_with("density") ||
                          name == "t" || name.starts_with("scale") || name == "lambda";
    if (worth_it) text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  }
  return text;
}

void print_tensors(const PlanReport& report, bool all) {
  Collapse rows;
  for (const TensorReport& tensor : report.tensors) {
    std::string what = tensor.action;
    if (tensor.sweeps > 1) what += fmt::format(", {} passes", tensor.sweeps);
    if (tensor.whole_model) what += " (whole model)";
    rows.add(all ? std::nullopt : tensor.layer, safe(tensor.name),
             {safe(tensor.role), tensor.dtype, shape_text(tensor.shape), what,
              inputs_text(tensor, report), parameters_text(tensor), safe(tensor.note)});
  }
  Table table({"output tensor", "layers", "role", "type", "shape", "made by", "from", "with", ""});
  for (const auto& row : rows.rows()) {
    std::vector<std::string> cells = {row.name, row.layers};
    cells.insert(cells.end(), row.cells.begin(), row.cells.end());
    table.add(std::move(cells));
  }
  fmt::print("{}\n", table.text());
}

void print_left_out(const PlanReport& report, bool all) {
  if (report.left_out.empty()) return;
  constexpr std::size_t kShown = 12;
  fmt::print("left out: {} input tensors\n", report.left_out.size());
  std::size_t shown = 0;
  for (const LeftOutReport& entry : report.left_out) {
    if (!all && shown == kShown) break;
    ++shown;
    fmt::print("  {} of {}: {}\n", safe(entry.tensor), safe(entry.model), safe(entry.reason));
  }
  if (shown < report.left_out.size()) {
    fmt::print("  and {} more (--all)\n", report.left_out.size() - shown);
  }
}

void print_plan(const PlanReport& report, bool all) {
  fmt::print("{} of {} models, architecture {}\n", report.method, report.models.size(),
             safe(report.architecture));
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    fmt::print("  {}  {}\n", i + 1, safe(report.models[i]));
  }
  for (const auto& [name, method] : report.documents) {
    fmt::print("  {} is the output of the document of that name ({}), computed on the way\n",
               safe(name), method);
  }
  fmt::print("\n");
  print_tensors(report, all);
  print_left_out(report, all);
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  for (const std::string& warning : report.warnings) fmt::print("warning: {}\n", safe(warning));
  fmt::print("reads   {}\nwrites  {} in {} weight file{}, and {} other files\n",
             bytes_text(report.bytes_read), bytes_text(report.bytes_written), report.files.size(),
             report.files.size() == 1 ? "" : "s", report.companions.size());
  if (report.free_space) {
    const bool short_of = *report.free_space < report.bytes_written;
    fmt::print("disk    {} free{}\n", bytes_text(*report.free_space),
               short_of ? ": not enough" : "");
  }
  if (report.scratch_bytes > 0) {
    fmt::print("puts    {} aside on the output's disk while it works\n",
               bytes_text(report.scratch_bytes));
  }
  fmt::print("memory  {} at most, {} threads, chunks of {} elements\n",
             bytes_text(report.peak_memory), report.threads, report.chunk_elements);
}

}  // namespace

void add_plan(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("plan", "Show what a merge would do; reads headers, writes nothing");
  auto options = add_request_options(*command);
  auto all = std::make_shared<bool>(false);
  command->add_flag("--all", *all, "One row for each tensor, layers not folded");
  command->callback([options, all, &run] {
    run = [options, all] {
      const PlanReport report = plan(options->finish(false));
      if (options->json) {
        fmt::print("{}\n", report.json());
      } else {
        print_plan(report, *all);
      }
      return 0;
    };
  });
}

}  // namespace merganser::cli
