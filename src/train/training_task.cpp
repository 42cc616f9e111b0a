#include "train/training_task.h"

#include <fmt/format.h>

#include "base/error.h"

namespace merganser::rt {
namespace {

constexpr std::int64_t kNoIgnoredLabel = -100;  // labels are never negative

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double smoothing) {
  return at::cross_entropy_loss(logits.to(at::kFloat), targets, {}, at::Reduction::Mean,
                                kNoIgnoredLabel, smoothing);
}

}  // namespace

at::Tensor training_loss(const Model& model, const TrainingTask& subject, const at::Tensor& rows,
                         double smoothing) {
  Batch batch = subject.rows.batch(rows, model.placement());
  if (subject.task.kind == TaskKind::language_modelling) {
    const std::int64_t count = batch.ids.size(1) - 1;
    const at::Tensor targets = batch.ids.narrow(1, 1, count).reshape({-1});
    batch.ids = batch.ids.narrow(1, 0, count);
    const at::Tensor logits = subject.head.logits(model, batch);
    return cross_entropy(logits.reshape({-1, logits.size(2)}), targets, smoothing);
  }
  const at::Tensor logits = subject.head.logits(model, batch);
  const at::Tensor labels = subject.rows.labels.index_select(0, rows);
  const auto most = labels.max().item<std::int64_t>();
  if (most >= logits.size(1)) {
    throw Error(ErrorKind::mismatch, fmt::format("a label is {}, the head of task '{}' has {} "
                                                 "classes",
                                                 most, subject.task.name, logits.size(1)))
        .in_file(subject.rows.place);
  }
  return cross_entropy(logits, labels.to(logits.device()), smoothing);
}

}  // namespace merganser::rt
