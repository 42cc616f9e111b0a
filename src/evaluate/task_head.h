// What turns a model's output into logits for a task: the task's own linear head, or the
// checkpoint's.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "evaluate/task.h"
#include "runtime/model.h"

namespace merganser::rt {

class TaskHead {
 public:
  // Reads the task's head file, if it has one. Throws Error(not_found, mismatch).
  TaskHead(const Task& task, const Placement& placement);
  // A head of its own, f32: weight [C, D], bias [C].
  TaskHead(const Task& task, at::Tensor weight, at::Tensor bias);

  // [B, D] of a model's hidden state, pooled and normalised as the task says.
  at::Tensor features(const Model& model, const Batch& batch) const;
  // [B, C]; of language modelling [B, T, V]. Throws Error(mismatch) for a head of another width.
  at::Tensor logits(const Model& model, const Batch& batch) const;
  // Throws Error(usage) for a model without the head that the task needs.
  void check_fit(const Model& model, const Task& task) const;

  bool own() const { return weight_.defined(); }
  std::int64_t classes() const { return own() ? weight_.size(0) : 0; }
  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }

 private:
  at::Tensor weight_, bias_;
  std::string file_;  // for errors
  Pooling pooling_;
  bool normalise_;
};

}  // namespace merganser::rt
