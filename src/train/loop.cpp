#include "train/loop.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/error.h"
#include "evaluate/scores.h"
#include "train/row_order.h"

namespace merganser::rt {
namespace {

using Clock = std::chrono::steady_clock;

void set_mode(const Model& model, BatchNorm::Mode mode) {
  for (const BatchNorm* norm : model.batch_norms()) norm->set_mode(mode);
}

// Running statistics are no parameters, but part of what is kept.
std::vector<at::Tensor> statistics_of(const Model& model) {
  std::vector<at::Tensor> found;
  for (const std::string& name : model.statistics()) found.push_back(model.tensors().at(name));
  return found;
}

std::vector<at::Tensor> copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> made;
  for (const at::Tensor& tensor : tensors) made.push_back(tensor.clone());
  return made;
}

class Loop {
 public:
  Loop(const Model& model, const std::vector<TrainingTask>& subjects, Optimizer& optimizer,
       const LoopOptions& options, Progress& progress)
      : model_(model),
        subjects_(subjects),
        optimizer_(optimizer),
        options_(options),
        progress_(progress),
        statistics_(statistics_of(model)) {
    for (const TrainingTask& subject : subjects) {
      orders_.emplace_back(options.seed, subject.task.name, subject.rows.size());
    }
  }

  LoopResult run() {
    if (options_.validate_every > 0) validate(0);
    for (std::int64_t step = 0; step < options_.rates.steps; ++step) {
      const auto begin = Clock::now();
      const double loss = take(step);
      result_.seconds += std::chrono::duration<double>(Clock::now() - begin).count();
      result_.losses.push_back(loss);
      average_ = step == 0 ? loss : 0.9 * average_ + 0.1 * loss;
      progress_.stage(
          fmt::format("step {} of {}, loss {:.4f}", step + 1, options_.rates.steps, average_));
      const bool last = step + 1 == options_.rates.steps;
      if (options_.validate_every > 0 && (last || (step + 1) % options_.validate_every == 0)) {
        validate(step + 1);
      }
    }
    set_mode(model_, BatchNorm::Mode::fixed);
    result_.kept_step = options_.rates.steps;
    if (options_.keep_best) restore_best();
    return std::move(result_);
  }

 private:
  // One step; its loss.
  double take(std::int64_t step) {
    set_mode(model_, BatchNorm::Mode::train);
    const std::size_t count = subjects_.size();
    double sum = 0;
    for (std::size_t t = 0; t < count; ++t) {
      if (options_.alternate && static_cast<std::size_t>(step) % count != t) continue;
      if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
      const at::Tensor rows = orders_[t].next(options_.batch);
      const at::Tensor loss = training_loss(model_, subjects_[t], rows, options_.smoothing);
      const double value = loss.item<double>();
      if (!std::isfinite(value)) refuse(step, subjects_[t].task);
      const double weight =
          options_.weights[t] / (options_.alternate ? 1 : static_cast<double>(count));
      (weight == 1 ? loss : loss * weight).backward();
      sum += options_.alternate ? value : weight * value;
      result_.rows += static_cast<std::uint64_t>(options_.batch);
      progress_.advance(static_cast<std::uint64_t>(options_.batch));
    }
    const double norm = optimizer_.step(options_.rate * rate_share(options_.rates, step));
    if (!std::isfinite(norm)) {
      throw Error(ErrorKind::mismatch,
                  fmt::format("the gradient is not finite in step {}", step + 1))
          .hint("a smaller rate, or more steps of warm-up, may help");
    }
    return sum;
  }

  [[noreturn]] static void refuse(std::int64_t step, const Task& task) {
    Error error(ErrorKind::mismatch,
                fmt::format("the loss of task '{}' is not finite in step {}", task.name, step + 1));
    error.hint(step == 0 ? "the model's weights have NaN or Inf, or overflow the type that it "
                           "computes in"
                         : "a smaller rate, or more steps of warm-up, may help");
    throw error;
  }

  void validate(std::int64_t step) {
    set_mode(model_, BatchNorm::Mode::fixed);
    Validated found{.step = step};
    for (std::size_t t = 0; t < subjects_.size(); ++t) {
      const TrainingTask& subject = subjects_[t];
      const Scores scores = score(model_, subject.head, subject.task, *subject.check,
                                  {.batch = options_.batch}, progress_);
      found.losses.push_back(estimate(scores, Metric::loss).value);
      found.metrics.push_back(estimate(scores, subject.task.metric).value);
      found.loss +=
          options_.weights[t] * found.losses.back() / static_cast<double>(subjects_.size());
    }
    if (options_.keep_best && (result_.validations.empty() || found.loss < best_loss_)) {
      best_loss_ = found.loss;
      best_step_ = step;
      best_values_ = optimizer_.save();
      best_statistics_ = copies(statistics_);
    }
    result_.validations.push_back(std::move(found));
  }

  void restore_best() {
    optimizer_.restore(best_values_);
    for (std::size_t i = 0; i < statistics_.size(); ++i) {
      statistics_[i].copy_(best_statistics_[i]);
    }
    result_.kept_step = best_step_;
  }

  const Model& model_;
  const std::vector<TrainingTask>& subjects_;
  Optimizer& optimizer_;
  const LoopOptions& options_;
  Progress& progress_;
  std::vector<at::Tensor> statistics_;
  std::vector<RowOrder> orders_;
  LoopResult result_;
  double average_ = 0, best_loss_ = 0;
  std::int64_t best_step_ = 0;
  std::vector<at::Tensor> best_values_, best_statistics_;
};

}  // namespace

std::uint64_t rows_of(const std::vector<TrainingTask>& subjects, const LoopOptions& options) {
  const auto steps = static_cast<std::uint64_t>(options.rates.steps);
  const auto batch = static_cast<std::uint64_t>(options.batch);
  std::uint64_t rows = steps * batch * (options.alternate ? 1 : subjects.size());
  if (options.validate_every <= 0) return rows;
  const auto every = static_cast<std::uint64_t>(options.validate_every);
  const std::uint64_t times = 1 + (steps + every - 1) / every;
  for (const TrainingTask& subject : subjects) {
    rows += times * static_cast<std::uint64_t>(subject.check->size());
  }
  return rows;
}

LoopResult run_loop(const Model& model, const std::vector<TrainingTask>& subjects,
                    Optimizer& optimizer, const LoopOptions& options, Progress& progress) {
  return Loop(model, subjects, optimizer, options, progress).run();
}

}  // namespace merganser::rt
