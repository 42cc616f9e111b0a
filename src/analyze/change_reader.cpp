#include "analyze/change_reader.h"

#include <algorithm>

#include "kernels/blend.h"
#include "kernels/convert.h"
#include "kernels/low_rank.h"
#include "smile/changes.h"

namespace merganser {

void read_values(const Plan& plan, const PlanInput& input, std::uint64_t first,
                 std::span<double> out, std::vector<std::byte>& stored) {
  const DType dtype = plan.dtype(input);
  stored.resize(out.size() * size_of(dtype));
  plan.models[input.model].source->read(input.tensor, first * size_of(dtype), stored);
  widen(dtype, stored.data(), out.data(), out.size());
}

void fill_product(const LoraSource::Product& product, std::uint64_t first, std::span<double> out) {
  std::fill(out.begin(), out.end(), 0.0);
  if (!product.factors) return;
  add_low_rank<double>(product.factors->product(product.scale), first, out.data(), out.size());
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
  fill_product(*product_, first, out);
}

}  // namespace merganser
