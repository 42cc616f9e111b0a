#include "analyze/change_reader.h"

#include <algorithm>

#include "kernels/blend.h"
#include "kernels/convert.h"
#include "kernels/low_rank.h"
#include "smile/changes.h"

namespace merganser {

ValueReader::ValueReader(const Plan& plan, const PlanInput& input)
    : source_(*plan.models[input.model].source), tensor_(input.tensor), dtype_(plan.dtype(input)) {}

void ValueReader::read(std::uint64_t first, std::span<double> out) {
  stored_.resize(out.size() * size_of(dtype_));
  source_.read(tensor_, first * size_of(dtype_), stored_);
  widen(dtype_, stored_.data(), out.data(), out.size());
}

ChangeReader::ChangeReader(const AnalysisInputs& inputs, const AnalysedTensor& tensor,
                           std::size_t model)
    : product_(product_of(inputs.plan, tensor.models[model], tensor.base)) {
  if (!product_) values_.emplace(inputs.plan, tensor.models[model]);
}

void ChangeReader::read(std::uint64_t first, std::span<const double> base, std::span<double> out) {
  if (values_) {
    values_->read(first, out);
    subtract<double>(out.data(), base.data(), out.data(), out.size());
    return;
  }
  std::fill(out.begin(), out.end(), 0.0);
  if (product_->factors) {
    add_low_rank<double>(product_->factors->product(product_->scale), first, out.data(),
                         out.size());
  }
}

}  // namespace merganser
