// The stored elements of a tensor of the base, and what a fine-tune changed of them, in f64.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "adapter/lora_source.h"
#include "analyze/inputs.h"

namespace merganser {

// Elements [first, first + out.size()) of what reading an input of a plan delivers, widened;
// `stored` is a buffer.
void read_values(const Plan& plan, const PlanInput& input, std::uint64_t first,
                 std::span<double> out, std::vector<std::byte>& stored);
// The same of an adapter's change.
void fill_product(const LoraSource::Product& product, std::uint64_t first, std::span<double> out);

// Elements of one tensor of a model, widened. Not thread-safe: it keeps its buffer.
class ValueReader {
 public:
  ValueReader(const Plan& plan, const PlanInput& input) : plan_(plan), input_(input) {}
  void read(std::uint64_t first, std::span<double> out) {
    read_values(plan_, input_, first, out, stored_);
  }

 private:
  const Plan& plan_;
  PlanInput input_;
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
