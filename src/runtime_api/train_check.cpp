#include "runtime_api/train_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace merganser {
namespace {

Error refusal(std::string what, const std::string& hint = "") {
  Error error(ErrorKind::usage, std::move(what));
  if (!hint.empty()) error.hint(hint);
  return error;
}

void check_one_of(const std::string& what, const std::string& given,
                  std::span<const std::string> known) {
  if (std::ranges::find(known, given) != known.end()) return;
  throw refusal(fmt::format("unknown {} '{}'", what, given), suggestion(given, known));
}

}  // namespace

void check_request(const TrainRequest& request) {
  const auto range = [](const char* name, double value, bool fine, const char* expected) {
    if (!std::isfinite(value) || !fine) {
      throw refusal(fmt::format("--{} {:g} is out of range", name, value), expected);
    }
  };
  if (request.output.empty()) throw refusal("no output is given", "--out DIR");
  if (request.steps < 1) throw refusal("training takes a step at least", "--steps N");
  range("lr", request.rate, request.rate > 0, "above 0");
  range("momentum", request.momentum, request.momentum >= 0 && request.momentum < 1, "in [0, 1)");
  range("weight-decay", request.weight_decay, request.weight_decay >= 0, "0 or more");
  range("clip", request.clip, request.clip >= 0, "0 or more; 0: no clipping");
  range("smoothing", request.smoothing, request.smoothing >= 0 && request.smoothing < 1,
        "in [0, 1)");
  range("lora-alpha", request.lora_alpha, request.lora_alpha >= 0, "above 0");
  check_one_of("optimizer", request.optimizer, std::array<std::string, 2>{"adamw", "sgd"});
  check_one_of("way of mixing tasks", request.mix,
               std::array<std::string, 2>{"together", "alternate"});
  if (!request.keep.empty()) {
    check_one_of("step to keep", request.keep, std::array<std::string, 2>{"best", "last"});
  }
  if (request.keep == "best" && request.validate_every <= 0) {
    throw refusal("the best step is found by validation", "--validate-every N");
  }
  if (!request.task_weights.empty() && request.task_weights.size() != request.tasks.size()) {
    throw refusal(
        fmt::format("{} weights for {} tasks", request.task_weights.size(), request.tasks.size()));
  }
  for (const double weight : request.task_weights) {
    range("task-weights", weight, weight > 0, "above 0");
  }
  if (request.lora_rank == 0) {
    if (request.lora_alpha > 0 || !request.lora_targets.empty()) {
      throw refusal("an adapter needs a rank", "--lora-rank 16");
    }
    return;
  }
  if (!request.freeze.empty()) {
    throw refusal("beside an adapter all tensors are frozen", "choose layers by --lora-targets");
  }
  if (request.init) throw refusal("an adapter of a model drawn at random is of no use");
}

}  // namespace merganser
