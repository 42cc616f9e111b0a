// For tests: models whose logits are known without running anything.
#pragma once

#include "runtime/model.h"

namespace merganser::rt::test {

// Its logits are its inputs: values [B, classes].
class Echo final : public Model {
 public:
  explicit Echo(std::int64_t classes) : classes_(classes) {}
  ModelKind kind() const override { return ModelKind::network; }
  at::Tensor hidden(const Batch& batch) const override { return batch.values; }
  bool has_head() const override { return true; }
  at::Tensor head(const at::Tensor& hidden, const Batch&) const override { return hidden; }
  std::vector<std::int64_t> value_shape() const override { return {classes_}; }

 private:
  std::int64_t classes_;
};

// A decoder that knows the last token alone: its logits are that token's row of a table [V, V].
class Bigram final : public Model {
 public:
  explicit Bigram(at::Tensor table) : table_(std::move(table)) {}
  ModelKind kind() const override { return ModelKind::decoder; }
  at::Tensor hidden(const Batch& batch) const override { return at::embedding(table_, batch.ids); }
  bool has_head() const override { return true; }
  at::Tensor head(const at::Tensor& hidden, const Batch&) const override { return hidden; }
  std::int64_t vocabulary() const override { return table_.size(0); }
  std::int64_t longest() const override { return 6; }

 private:
  at::Tensor table_;
};

}  // namespace merganser::rt::test
