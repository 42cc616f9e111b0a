// The stored elements of a tensor of the base, and what a fine-tune changed of them, in f64.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "adapter/lora_source.h"
#include "analyze/inputs.h"

namespace merganser {

// Elements of one tensor of a model, widened. Not thread-safe: it keeps its buffer.
class ValueReader {
 public:
  ValueReader(const Plan& plan, const PlanInput& input);
  void read(std::uint64_t first, std::span<double> out);

 private:
  const Source& source_;
  std::size_t tensor_;
  DType dtype_;
  std::vector<std::byte> stored_;
};

// D = W - W_0 of one tensor of one fine-tune. Of an adapter on the very base D is the product of
// its factors: the sum W_0 + B A would round most of its digits away. Not thread-safe.
class ChangeReader {
 public:
  ChangeReader(const AnalysisInputs& inputs, const AnalysedTensor& tensor, std::size_t model);

  // Nothing to read: the adapter leaves this tensor alone.
  bool unchanged() const { return product_ && !product_->factors; }
  const std::optional<LoraSource::Product>& product() const { return product_; }
  // Elements [first, first + out.size()); `base`: the base's.
  void read(std::uint64_t first, std::span<const double> base, std::span<double> out);

 private:
  std::optional<LoraSource::Product> product_;
  std::optional<ValueReader> values_;
};

}  // namespace merganser
