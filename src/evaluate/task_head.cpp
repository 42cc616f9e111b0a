#include "evaluate/task_head.h"

#include <fmt/format.h>

#include "base/error.h"
#include "source/source.h"

namespace merganser::rt {

TaskHead::TaskHead(const Task& task, const Placement& placement)
    : file_(task.head.string()), pooling_(task.pooling), normalise_(task.normalise) {
  if (task.head.empty()) return;
  const FileSource source(Checkpoint::open(task.head));
  Weights weights(source, placement);
  const auto shape = weights.shape_of("weight");
  if (!shape || shape->size() != 2) {
    throw Error(ErrorKind::mismatch,
                "a head has a 'weight' [classes, width] and a 'bias' [classes]")
        .in_file(task.head.string());
  }
  const auto classes = static_cast<std::int64_t>((*shape)[0]);
  weight_ = weights.tensor("weight", {classes, static_cast<std::int64_t>((*shape)[1])}, {});
  bias_ = weights.tensor("bias", {classes}, {});
}

TaskHead::TaskHead(const Task& task, at::Tensor weight, at::Tensor bias)
    : weight_(std::move(weight)),
      bias_(std::move(bias)),
      file_(task.file.string()),
      pooling_(task.pooling),
      normalise_(task.normalise) {}

at::Tensor TaskHead::features(const Model& model, const Batch& batch) const {
  at::Tensor x = model.hidden(batch);
  if (x.dim() == 3) {
    const at::Tensor& mask = batch.mask;
    switch (pooling_) {
      case Pooling::first:
        x = x.select(1, 0);
        break;
      case Pooling::last:
        if (mask.defined()) {
          const at::Tensor last = mask.sum(1).sub(1).view({-1, 1, 1}).expand({-1, 1, x.size(2)});
          x = x.gather(1, last).squeeze(1);
        } else {
          x = x.select(1, x.size(1) - 1);
        }
        break;
      case Pooling::mean:
      case Pooling::model:
        if (mask.defined()) {
          const at::Tensor weight = mask.unsqueeze(2).to(x.scalar_type());
          x = (x * weight).sum(1) / weight.sum(1);
        } else {
          x = x.mean(1);
        }
    }
  }
  return normalise_ ? x / x.norm(2, -1, true).clamp_min(1e-12) : x;
}

at::Tensor TaskHead::logits(const Model& model, const Batch& batch) const {
  if (!own()) return model.logits(batch);
  const at::Tensor x = features(model, batch);
  if (x.size(-1) != weight_.size(1)) {
    throw Error(ErrorKind::mismatch,
                fmt::format("the head takes vectors of {}, the model's have {}", weight_.size(1),
                            x.size(-1)))
        .in_file(file_);
  }
  return at::linear(x, weight_, bias_);
}

void TaskHead::check_fit(const Model& model, const Task& task) const {
  if (!own()) {
    if (model.has_head()) {
      // A decoder's head gives the next token's logits, not a class's.
      const bool language = task.kind == TaskKind::language_modelling;
      if (language == (model.kind() == ModelKind::decoder)) return;
      throw Error(
          ErrorKind::usage,
          fmt::format("task '{}' needs a model that {}, which this {} model does not", task.name,
                      language ? "predicts tokens" : "classifies", model.family()))
          .in_file(task.file.string())
          .hint(language ? "give a causal language model" : "give the task a 'head'");
    }
    throw Error(
        ErrorKind::usage,
        fmt::format("task '{}' names no head, and the model has none of its own", task.name))
        .in_file(task.file.string())
        .hint("give the task a 'head'");
  }
  if (task.kind == TaskKind::language_modelling) {
    throw Error(ErrorKind::recipe, "language modelling uses the model's own head")
        .in_file(task.file.string());
  }
}

}  // namespace merganser::rt
