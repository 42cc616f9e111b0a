#include <fmt/format.h>

#include <map>

#include "collapse.h"
#include "commands.h"
#include "merganser/merganser.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

void print_summary(const CheckpointReport& report) {
  fmt::print("{}: {} parameters, {}, {} tensors in {} file{}\n", safe(report.path),
             count_text(report.elements), bytes_text(report.bytes), report.tensors.size(),
             report.files.size(), report.files.size() == 1 ? "" : "s");
  std::string dtypes;
  for (const auto& [dtype, count] : report.dtypes) {
    dtypes += fmt::format("{}{} {}", dtypes.empty() ? "" : ", ", count_text(count), dtype);
  }
  fmt::print("types         {}\n", dtypes);
  fmt::print("architecture  {}{}\n",
             report.architecture.empty() ? "" : safe(report.architecture) + ", ",
             report.inferred ? "inferred from the names" : "family " + report.family);
  for (const auto& module : report.modules) {
    if (module.layers == 0) continue;
    fmt::print("layers        {} x {}{}\n", module.layers, safe(module.prefix),
               module.layers_key.empty() ? "" : fmt::format("  ({})", safe(module.layers_key)));
  }
  for (const auto& [name, source] : report.tied) {
    fmt::print("tied          {} = {}\n", safe(name), safe(source));
  }
  for (const std::string& note : report.notes) fmt::print("note          {}\n", safe(note));
}

void print_tensors(const CheckpointReport& report, bool all) {
  Collapse rows;
  for (const auto& tensor : report.tensors) {
    rows.add(all ? std::nullopt : tensor.layer, safe(tensor.name),
             {tensor.dtype, shape_text(tensor.shape), safe(tensor.role)});
  }
  Table table({"tensor", "layers", "type", "shape", "role"});
  for (const auto& row : rows.rows()) {
    table.add({row.name, row.layers, row.cells[0], row.cells[1], row.cells[2]});
  }
  fmt::print("\n{}", table.text());
}

}  // namespace

void add_inspect(CLI::App& app, Run& run) {
  struct Options {
    std::string path;
    bool json = false, all = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "Show a checkpoint's architecture and tensors");
  command
      ->add_option("CHECKPOINT", options->path,
                   "Folder, .safetensors file, PyTorch archive, or a name in the hub's cache")
      ->required()
      ->type_name("PATH");
  command->add_flag("--all", options->all, "One row for each tensor, layers not folded");
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options, &run] {
    run = [options] {
      const CheckpointReport report = inspect(options->path);
      if (options->json) {
        fmt::print("{}\n", report.json());
      } else {
        print_summary(report);
        print_tensors(report, options->all);
      }
      return 0;
    };
  });
}

}  // namespace merganser::cli
