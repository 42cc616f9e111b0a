#include "analyze/smile_curve.h"

#include <algorithm>
#include <cmath>

#include "analyze/expert_loss.h"

namespace merganser {
namespace {

std::uint64_t full_rank(const AnalysedTensor& tensor) {
  return std::min(tensor.shape[0], tensor.shape[1]);
}

std::uint64_t mixture_parameters(const AnalysisInputs& inputs, std::uint64_t rank,
                                 std::uint64_t router_rank) {
  const std::uint64_t experts = inputs.models();
  std::uint64_t total = 0;
  for (const AnalysedTensor& tensor : inputs.tensors) {
    total += tensor.size();
    if (tensor.expert_bias) total += experts * tensor.size();
    if (!tensor.upscaled) continue;
    const std::uint64_t full = full_rank(tensor);
    total += experts * std::min(rank, full) * (tensor.shape[0] + tensor.shape[1]);
    const std::uint64_t in = tensor.shape[tensor.transposed ? 0 : 1];
    if (experts > 1) total += experts * std::min(router_rank, full) * in;
  }
  return total;
}

}  // namespace

std::vector<SmilePoint> smile_curve(const AnalysisInputs& inputs,
                                    std::span<const TensorFigures> figures, std::uint64_t known,
                                    std::uint64_t router_rank) {
  std::uint64_t parameters = 0, widest = 0;
  for (const AnalysedTensor& tensor : inputs.tensors) {
    parameters += tensor.size();
    if (tensor.upscaled) widest = std::max(widest, full_rank(tensor));
  }
  std::vector<SmilePoint> curve;
  for (std::uint64_t rank = 1; widest > 0; rank *= 2) {
    if (rank > known && known < widest) break;
    SmilePoint point;
    point.rank = rank;
    point.parameters = mixture_parameters(inputs, rank, router_rank);
    point.ratio = static_cast<double>(point.parameters) / static_cast<double>(parameters);
    for (std::size_t i = 0; i < inputs.models(); ++i) {
      double lost = 0, all = 0, lost_linear = 0, linear = 0;
      bool told = true;
      for (std::size_t t = 0; t < inputs.tensors.size(); ++t) {
        const ChangeSums& change = figures[t].changes[i];
        const AnalysedTensor& tensor = inputs.tensors[t];
        const auto left = lost_by_expert(tensor, change, carried_by_default(tensor, rank));
        told = told && left;
        lost += left.value_or(0);
        all += change.squared;
        if (tensor.part != Part::linear) continue;
        lost_linear += left.value_or(0);
        linear += change.squared;
      }
      const auto relative = [&](double a, double b) -> std::optional<double> {
        if (!told || b == 0) return std::nullopt;
        return std::sqrt(a / b);
      };
      point.errors.push_back(relative(lost, all));
      point.errors_linear.push_back(relative(lost_linear, linear));
    }
    curve.push_back(std::move(point));
    if (rank >= widest) break;
  }
  return curve;
}

}  // namespace merganser
