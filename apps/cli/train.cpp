#include "merganser/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <span>

#include "commands.h"
#include "output.h"
#include "runtime_options.h"
#include "terminal.h"

namespace merganser::cli {
namespace {

// Of at most ten losses at one end.
double mean(std::span<const double> losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
}

void print(const TrainReport& report) {
  if (!report.validations.empty()) {
    std::vector<std::string> header = {"step", "validation loss"};
    std::vector<std::size_t> right = {0, 1};
    for (const TrainReport::Task& task : report.tasks) {
      right.push_back(header.size());
      header.push_back(fmt::format("{}, {}", safe(task.name), task.metric));
    }
    Table table(header, right);
    for (const TrainReport::Validation& each : report.validations) {
      const bool kept = each.step == report.kept_step;
      std::vector<std::string> cells = {fmt::format("{}{}", each.step, kept ? " *" : ""),
                                        fmt::format("{:.4f}", each.loss)};
      for (std::size_t t = 0; t < report.tasks.size(); ++t) {
        const double value = each.metrics[t];
        cells.push_back(report.tasks[t].metric == "accuracy" ? fmt::format("{:.1f} %", 100 * value)
                                                             : fmt::format("{:.4f}", value));
      }
      table.add(std::move(cells));
    }
    fmt::print("{}* kept\n\n", table.text());
  }
  const std::size_t few = std::min<std::size_t>(10, report.losses.size());
  fmt::print("loss: {:.4f} over the first {} steps, {:.4f} over the last {}\n",
             mean(std::span(report.losses).first(few)), few,
             mean(std::span(report.losses).last(few)), few);
  if (!report.unreached.empty()) {
    fmt::print("note: {} of the trainable tensors are not used by any task, and stay as they are\n",
               report.unreached.size());
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  fmt::print("{}: {} parameters of {} trained in {} steps, {:.1f} s ({:.0f} rows/s)\n",
             safe(report.output), count_text(report.trained), count_text(report.parameters),
             report.losses.size(), report.seconds, report.rows_per_second);
}

void print(const FitHeadReport& report) {
  Table table({"penalty", "loss", "validation loss", "accuracy", "iterations"}, {0, 1, 2, 3, 4});
  for (const FitHeadReport::Fit& fit : report.fits) {
    table.add({fmt::format("{:g}{}", fit.penalty, fit.penalty == report.penalty ? " *" : ""),
               fmt::format("{:.4f}", fit.loss), fmt::format("{:.4f}", fit.validation_loss),
               fmt::format("{:.1f} %", 100 * fit.validation_accuracy),
               std::to_string(fit.iterations)});
  }
  fmt::print("{}* kept\n\n", table.text());
  for (const std::string& note : report.notes) fmt::print("note: {}\n", safe(note));
  fmt::print("{}: {} classes on {} features, fitted on {} rows in {:.1f} s\n", safe(report.output),
             report.classes, report.width, report.rows, report.seconds);
}

void add_steps(CLI::App& command, TrainRequest& request) {
  command.add_option("--steps", request.steps, "Steps to take")
      ->required()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 31));
  command.add_option("--lr", request.rate, "Highest learning rate")->default_str("1e-4");
  command.add_option("--schedule", request.schedule, "How the rate falls")
      ->check(CLI::IsMember({"linear", "cosine", "constant"}))
      ->default_str("linear");
  command.add_option("--warmup", request.warmup, "Steps in which the rate rises")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 31))
      ->default_str("0");
  command.add_option("--optimizer", request.optimizer, "How steps are taken")
      ->check(CLI::IsMember({"adamw", "sgd"}))
      ->default_str("adamw");
  command.add_option("--momentum", request.momentum, "Of sgd")->default_str("0.9");
  command
      .add_option("--weight-decay", request.weight_decay,
                  "Of matrices; biases and norms are left alone")
      ->default_str("0");
  command.add_option("--clip", request.clip, "Largest norm of a step's gradient; 0: any")
      ->default_str("1");
  command.add_option("--smoothing", request.smoothing, "Of labels, in [0, 1)")->default_str("0");
  command.add_option("--seed", request.seed, "Of the order of rows and of drawn weights")
      ->default_str("0");
}

void add_choice(CLI::App& command, TrainRequest& request) {
  command.add_option("--lora-rank", request.lora_rank, "Train a LoRA adapter of this rank")
      ->check(CLI::Range(1, 1 << 20));
  command.add_option("--lora-alpha", request.lora_alpha,
                     "Its scale is alpha / rank; default: twice the rank");
  command
      .add_option("--lora-targets", request.lora_targets,
                  "Linear layers by glob (repeatable); default: all but output heads")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  command.add_option("--freeze", request.freeze, "Tensors that stay as they are (repeatable)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  command.add_flag("--train-head", request.train_head,
                   "The tasks' own heads too, written beside the weights; default: they are fixed");
  command.add_flag("--init", request.init, "Draw the weights: BASE is a folder with a config.json");
}

void add_tasks(CLI::App& command, TrainRequest& request) {
  command.add_option("--task,-t", request.tasks, "Task file; several tasks by several options")
      ->type_name("FILE")
      ->required()
      ->allow_extra_args(false);
  command
      .add_option("--mix", request.mix,
                  "Of several tasks: a batch of each in every step, or of one after another")
      ->check(CLI::IsMember({"together", "alternate"}))
      ->default_str("together");
  command.add_option("--task-weights", request.task_weights, "Of the losses; default: equal")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      .add_option("--validate-every", request.validate_every,
                  "Measure on the validation split every so many steps")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 31));
  command
      .add_option("--keep", request.keep,
                  "Weights that are written: of the step with the least validation loss, or of the "
                  "last; default: best where there is validation")
      ->check(CLI::IsMember({"best", "last"}));
}

}  // namespace

void add_train(CLI::App& app, Run& run) {
  struct Options {
    TrainRequest request;
    Output output;
  };
  CLI::App* command = app.add_subcommand(
      "train", "Fine-tune a model, or a LoRA adapter of it, on one task or several");
  command->footer(
      "merganser train base/ -t polarity.yml --out tune/ --steps 300 --batch 32 --lr 1e-4\n"
      "merganser train base/ -t a.yml -t b.yml --out adapter/ --steps 300 --lora-rank 16");
  auto options = std::make_shared<Options>();
  TrainRequest& request = options->request;
  command->add_option("BASE", request.base, "The checkpoint to begin from")
      ->required()
      ->type_name("PATH");
  command->add_option("--out,-o", request.output, "The output's folder")
      ->required()
      ->type_name("DIR");
  add_tasks(*command, request);
  add_steps(*command, request);
  add_choice(*command, request);
  add_runtime_options(*command, request.runtime);
  command->add_flag("--force", request.force, "Replace an existing output");
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      show(
          options->output, [&](Progress& progress) { return train(options->request, progress); },
          [](const auto& report) { print(report); });
      return 0;
    };
  });
}

void add_fit_head(CLI::App& app, Run& run) {
  struct Options {
    FitHeadRequest request;
    Output output;
  };
  CLI::App* command =
      app.add_subcommand("fit-head", "Fit a task's linear head on a frozen model, to convergence");
  command->footer("merganser fit-head base/ -t polarity.yml --out polarity-head.safetensors");
  auto options = std::make_shared<Options>();
  FitHeadRequest& request = options->request;
  request.runtime.batch = 128;
  command->add_option("BASE", request.base, "The checkpoint whose features are used")
      ->required()
      ->type_name("PATH");
  command->add_option("--task,-t", request.task, "Task file")->type_name("FILE")->required();
  command->add_option("--out,-o", request.output, "A .safetensors file; default: the task's head")
      ->type_name("FILE");
  command->add_option("--rows", request.rows, "The first so many of the train split; 0: all")
      ->default_str("0");
  command
      ->add_option("--penalties", request.penalties, "Of the squared weights; validation chooses")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("1e-3,1e-4,1e-5,1e-6");
  add_runtime_options(*command, request.runtime);
  command->add_flag("--force", request.force, "Replace an existing output");
  add_output_options(*command, options->output);
  command->callback([options, &run] {
    run = [options] {
      show(
          options->output, [&](Progress& progress) { return fit_head(options->request, progress); },
          [](const auto& report) { print(report); });
      return 0;
    };
  });
}

}  // namespace merganser::cli
