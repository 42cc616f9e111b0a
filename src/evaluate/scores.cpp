#include "evaluate/scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace merganser::rt {
namespace {

constexpr double kZ = 1.959963984540054;  // the normal distribution's 97.5 % quantile

at::Tensor targets_of(const Examples& examples, const at::Tensor& rows, at::Device device) {
  return examples.ids.index_select(0, rows).narrow(1, 1, examples.ids.size(1) - 1).to(device);
}

// Log probabilities of the targets, f32 [B, T]. What is computed beside the logits, which are large
// already where the vocabulary is, is computed for so few tokens at a time that it stays in the
// processor's cache.
at::Tensor target_log_probabilities(const at::Tensor& logits, const at::Tensor& targets) {
  constexpr std::int64_t kLarge = 1 << 22, kElements = 1 << 18;
  const at::Tensor tokens = logits.flatten(0, 1);
  const at::Tensor wanted = targets.reshape({-1, 1});
  const std::int64_t count = tokens.size(0);
  const bool large = logits.is_cpu() && logits.numel() > kLarge;
  const std::int64_t step = large ? std::max<std::int64_t>(1, kElements / tokens.size(1))
                                  : std::max<std::int64_t>(count, 1);
  at::Tensor found = at::empty({count}, logits.options().dtype(at::kFloat));
  for (std::int64_t first = 0; first < count; first += step) {
    const std::int64_t some = std::min(step, count - first);
    const at::Tensor wide = tokens.narrow(0, first, some).to(at::kFloat);
    found.narrow(0, first, some)
        .copy_(wide.gather(1, wanted.narrow(0, first, some)).squeeze(1) - wide.logsumexp({1}));
  }
  return found.view(targets.sizes());
}

void check_labels(const Examples& examples, std::int64_t classes, const Task& task) {
  const std::int64_t most = examples.labels.max().item<std::int64_t>();
  if (most < classes) return;
  throw Error(
      ErrorKind::mismatch,
      fmt::format("a label is {}, the head of task '{}' has {} classes", most, task.name, classes))
      .in_file(examples.place);
}

[[noreturn]] void not_finite(const at::Tensor& loss, const at::Tensor& rows, const Task& task,
                             const Examples& examples) {
  const auto at = loss.isfinite().logical_not().nonzero()[0].item<std::int64_t>();
  throw Error(ErrorKind::mismatch, fmt::format("the loss of task '{}' is not finite in row {}",
                                               task.name, rows[at].item<std::int64_t>()))
      .in_file(examples.place)
      .hint("the model's weights have NaN or Inf, or overflow the type that it computes in");
}

// Of a model whose probabilities are `mean`, f64.
Scores scores_of(const at::Tensor& mean, const at::Tensor& targets, const Examples& examples) {
  Scores scores;
  scores.targets = targets;
  scores.probabilities = mean.to(at::kFloat);
  if (examples.labels.defined()) {
    const at::Tensor labels = examples.labels.unsqueeze(1);
    scores.loss = -mean.gather(1, labels).squeeze(1).log();
    scores.correct = mean.argmax(1).eq(examples.labels).to(at::kDouble);
  } else {
    scores.loss = -mean.log().mean(1);
  }
  return scores;
}

}  // namespace

Scores score(const Model& model, const TaskHead& head, const Task& task, const Examples& examples,
             const ScoreOptions& options, Progress& progress) {
  const at::NoGradGuard no_grad;
  const bool language = task.kind == TaskKind::language_modelling;
  const std::int64_t count = examples.size();
  Scores scores;
  scores.loss = at::empty({count}, at::kDouble);
  scores.targets = language ? at::full({count}, static_cast<double>(task.length), at::kDouble)
                            : at::ones({count}, at::kDouble);
  if (!language) scores.correct = at::empty({count}, at::kDouble);
  bool labels_fit = false;  // the head's classes are known once it has run
  for (const at::Tensor& rows : examples.batches(options.batch)) {
    if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    Batch batch = examples.batch(rows, model.placement());
    at::Tensor loss;
    if (language) {
      const at::Tensor targets = targets_of(examples, rows, model.placement().device);
      batch.ids = batch.ids.narrow(1, 0, batch.ids.size(1) - 1);
      const at::Tensor chosen = target_log_probabilities(head.logits(model, batch), targets);
      loss = -chosen.to(at::kDouble).mean(1);
      if (options.probabilities) {
        if (!scores.probabilities.defined()) {
          scores.probabilities = at::empty({count, targets.size(1)}, at::kFloat);
        }
        scores.probabilities.index_copy_(0, rows, chosen.exp().cpu());
      }
    } else {
      const at::Tensor logits = head.logits(model, batch).to(at::kFloat);
      const at::Tensor labels = examples.labels.index_select(0, rows);
      if (!labels_fit) check_labels(examples, logits.size(1), task);
      labels_fit = true;
      const at::Tensor there = labels.to(logits.device());
      const at::Tensor log_probabilities = logits.log_softmax(1);
      loss = -log_probabilities.gather(1, there.unsqueeze(1)).squeeze(1).to(at::kDouble);
      scores.correct.index_copy_(0, rows, logits.argmax(1).eq(there).cpu().to(at::kDouble));
      if (options.probabilities) {
        if (!scores.probabilities.defined()) {
          scores.probabilities = at::empty({count, logits.size(1)}, at::kFloat);
        }
        scores.probabilities.index_copy_(0, rows, log_probabilities.exp().cpu());
      }
    }
    loss = loss.cpu();
    if (!loss.isfinite().all().item<bool>()) not_finite(loss, rows, task, examples);
    scores.loss.index_copy_(0, rows, loss);
    progress.advance(static_cast<std::uint64_t>(rows.numel()));
  }
  return scores;
}

Scores ensemble(const std::vector<Scores>& members, const Examples& examples) {
  at::Tensor sum = members.front().probabilities.to(at::kDouble);
  for (std::size_t i = 1; i < members.size(); ++i) sum = sum + members[i].probabilities;
  return scores_of(sum / static_cast<double>(members.size()), members.front().targets, examples);
}

Scores weighted_ensemble(const std::array<Scores, 2>& members, const std::array<double, 2>& weights,
                         const Examples& examples) {
  const at::Tensor mean = members[0].probabilities.to(at::kDouble) * weights[0] +
                          members[1].probabilities.to(at::kDouble) * weights[1];
  return scores_of(mean, members[0].targets, examples);
}

Estimate estimate(const Scores& scores, Metric metric) {
  const auto n = static_cast<double>(scores.loss.numel());
  if (metric == Metric::accuracy) {
    const double p = scores.correct.mean().item<double>();
    // Wilson 1927.
    const double centre = (p + kZ * kZ / (2 * n)) / (1 + kZ * kZ / n);
    const double half = kZ / (1 + kZ * kZ / n) * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n));
    return {p, centre - half, centre + half};
  }
  const at::Tensor share = scores.targets / scores.targets.sum();
  const double mean = (scores.loss * share).sum().item<double>();
  const double variance = (share * share * (scores.loss - mean).square()).sum().item<double>();
  const double half = kZ * std::sqrt(n > 1 ? variance * n / (n - 1) : 0);
  Estimate found{mean, mean - half, mean + half};
  if (metric == Metric::perplexity) {
    found = {std::exp(mean), std::exp(mean - half), std::exp(mean + half)};
  }
  return found;
}

}  // namespace merganser::rt
