// Seconds of evaluating a model on the CPU, without opening it and reading the inputs.
//
//   runtime_bench MODEL INPUTS.safetensors BATCH THREADS PASSES
//
// INPUTS holds `ids` [N, T]: a language model's loss of each token but the first; or also `mask`
// [N, T], `labels` [N], `weight` [C, D] and `bias` [C]: an encoder's mean vector under that head.
// Prints {"loss": mean over rows, "seconds": [of each pass]}; one more pass goes before them.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "evaluate/arrays.h"
#include "evaluate/scores.h"
#include "source/source.h"

namespace {

using namespace merganser;

struct Inputs {
  rt::Task task;
  rt::Examples examples;
  std::optional<rt::TaskHead> head;
};

Inputs read_inputs(const std::filesystem::path& file) {
  const Checkpoint checkpoint = Checkpoint::open(file);
  Inputs inputs;
  inputs.examples.place = file.string();
  inputs.examples.ids = rt::read_integers(checkpoint, "ids");
  if (checkpoint.find("weight") == nullptr) {
    inputs.task.kind = rt::TaskKind::language_modelling;
    inputs.task.length = inputs.examples.ids.size(1) - 1;
    inputs.head.emplace(inputs.task, rt::Placement());
    return inputs;
  }
  inputs.task.pooling = rt::Pooling::mean;
  inputs.examples.labels = rt::read_integers(checkpoint, "labels");
  inputs.examples.lengths = rt::read_lengths(checkpoint, "mask", inputs.examples.ids.sizes());
  inputs.head.emplace(inputs.task, rt::read_array(checkpoint, "weight"),
                      rt::read_array(checkpoint, "bias"));
  return inputs;
}

void run(char** arguments) {
  const std::filesystem::path folder = arguments[1];
  const std::int64_t batch = std::stoll(arguments[3]);
  at::set_num_threads(std::stoi(arguments[4]));
  const FileSource source(Checkpoint::open(folder));
  rt::Weights weights(source, {});
  const auto model =
      rt::build_model(rt::Config(*source.checkpoint().config(), folder.string()), weights);
  const Inputs inputs = read_inputs(arguments[2]);
  rt::check_fit(inputs.examples, inputs.task, *model);
  Progress progress;
  std::vector<double> seconds;
  double loss = 0;
  for (int pass = -1; pass < std::stoi(arguments[5]); ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    loss = rt::score(*model, *inputs.head, inputs.task, inputs.examples, {.batch = batch}, progress)
               .loss.mean()
               .item<double>();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (pass >= 0) seconds.push_back(taken.count());
  }
  fmt::print("{}\n", Json({{"loss", loss}, {"seconds", seconds}}).dump());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    fmt::print(stderr, "runtime_bench MODEL INPUTS.safetensors BATCH THREADS PASSES\n");
    return 2;
  }
  try {
    run(arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
