#include "train/head_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "train/softmax_regression.h"

namespace merganser::rt {

at::Tensor features_of(const Model& model, const TaskHead& head, const Examples& examples,
                       std::int64_t batch, Progress& progress) {
  const at::NoGradGuard no_grad;
  at::Tensor features;
  for (const at::Tensor& rows : examples.batches(batch)) {
    if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    const at::Tensor found =
        head.features(model, examples.batch(rows, model.placement())).to(at::kFloat).cpu();
    if (!features.defined()) features = at::empty({examples.size(), found.size(1)}, at::kFloat);
    features.index_copy_(0, rows, found);
    progress.advance(static_cast<std::uint64_t>(rows.numel()));
  }
  const at::Tensor fine = features.isfinite().all(1);
  if (!fine.all().item<bool>()) {
    throw Error(ErrorKind::mismatch,
                fmt::format("the model's vector of row {} is not finite",
                            fine.logical_not().nonzero()[0].item<std::int64_t>()))
        .in_file(examples.place);
  }
  return features;
}

HeadFit fit_head(const at::Tensor& train, const at::Tensor& train_labels, const at::Tensor& check,
                 const at::Tensor& check_labels, std::int64_t classes,
                 const std::vector<double>& penalties, Progress& progress) {
  // From the strongest: each fit begins near its end.
  std::vector<double> order = penalties;
  std::ranges::sort(order, std::greater());
  HeadFit best;
  SoftmaxFit fit;
  const at::Tensor there = check.to(at::kDouble);
  double best_accuracy = -1, best_loss = 0;
  for (const double penalty : order) {
    progress.stage(fmt::format("fitting, penalty {:g}", penalty));
    fit = fit_softmax(train, train_labels, classes, fit, {.penalty = penalty}, progress);
    const at::Tensor logits = at::linear(there, fit.weight, fit.bias);
    HeadTrial trial{penalty, fit.loss, 0, 0, fit.iterations, fit.converged};
    trial.validation_loss = at::cross_entropy_loss(logits, check_labels).item<double>();
    trial.validation_accuracy =
        logits.argmax(1).eq(check_labels).to(at::kDouble).mean().item<double>();
    best.trials.push_back(trial);
    if (trial.validation_accuracy < best_accuracy ||
        (trial.validation_accuracy == best_accuracy && trial.validation_loss >= best_loss)) {
      continue;
    }
    best_accuracy = trial.validation_accuracy;
    best_loss = trial.validation_loss;
    best.weight = fit.weight.to(at::kFloat);
    best.bias = fit.bias.to(at::kFloat);
    best.penalty = penalty;
  }
  return best;
}

}  // namespace merganser::rt
