#include "search/mixed_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace merganser::rt {
namespace {

void check_same(const Model& a, const Model& b, const std::vector<std::string>& labels,
                std::size_t index) {
  const auto mismatch = [&](std::string what) {
    return Error(ErrorKind::mismatch, std::move(what)).in_file(labels[index]);
  };
  if (a.family() != b.family()) {
    throw mismatch(
        fmt::format("it is a {} model, {} is a {} model: no path leads from one to the "
                    "other",
                    b.family(), labels[0], a.family()));
  }
  for (const auto& [name, tensor] : a.tensors()) {
    const auto found = b.tensors().find(name);
    if (found == b.tensors().end()) {
      throw mismatch(fmt::format("it lacks what {} has", labels[0])).in_tensor(name);
    }
    if (found->second.sizes() != tensor.sizes()) {
      throw mismatch(fmt::format("it is [{}], in {} it is [{}]",
                                 fmt::join(found->second.sizes(), ", "), labels[0],
                                 fmt::join(tensor.sizes(), ", ")))
          .in_tensor(name)
          .hint("a path needs two models of one architecture");
    }
  }
  for (const auto& [name, tensor] : b.tensors()) {
    if (!a.tensors().contains(name)) {
      throw mismatch(fmt::format("{} has no such tensor", labels[0])).in_tensor(name);
    }
  }
}

at::Tensor combined(const std::vector<at::Tensor>& tensors, const Coefficients& coefficients,
                    at::ScalarType type) {
  at::Tensor sum;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (coefficients[i] == 0) continue;
    const at::Tensor wide = tensors[i].to(type);
    if (!sum.defined()) {
      sum = coefficients[i] == 1 ? wide : wide * coefficients[i];
    } else {
      sum = sum.add(wide, coefficients[i]);
    }
  }
  return sum.defined() ? sum : at::zeros_like(tensors[0]);
}

}  // namespace

MixedModel::MixedModel(std::vector<Model*> models, const std::vector<std::string>& labels)
    : models_(std::move(models)) {
  for (std::size_t i = 1; i < models_.size(); ++i) check_same(*models_[0], *models_[i], labels, i);
  for (const auto& [name, tensor] : models_[0]->tensors()) first_[name] = tensor.clone();
}

const at::Tensor& MixedModel::tensor(std::size_t model, const std::string& name) const {
  return model == 0 ? first_.at(name) : models_[model]->tensors().at(name);
}

Gram MixedModel::gram() const {
  const std::size_t count = models_.size();
  Gram gram(count, std::vector<double>(count));
  for (const auto& [name, unused] : first_) {
    if (model().statistics().contains(name)) continue;
    std::vector<at::Tensor> wide;
    for (std::size_t i = 0; i < count; ++i) wide.push_back(tensor(i, name).to(at::kDouble));
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        gram[i][j] += (wide[i] * wide[j]).sum().item<double>();
        gram[j][i] = gram[i][j];
      }
    }
  }
  return gram;
}

void MixedModel::set(const Coefficients& parameters, const Coefficients& statistics) {
  const at::NoGradGuard no_grad;
  const at::ScalarType type = model().placement().dtype == at::kDouble ? at::kDouble : at::kFloat;
  for (const auto& [name, live] : model().tensors()) {
    std::vector<at::Tensor> tensors;
    for (std::size_t i = 0; i < models_.size(); ++i) tensors.push_back(tensor(i, name));
    const bool statistic = model().statistics().contains(name);
    at::Tensor made = combined(tensors, statistic ? statistics : parameters, type);
    // Beyond the models, in a plane, a combination of variances can be negative.
    if (name.ends_with("running_var")) made = made.clamp_min(0);
    at::Tensor(live).copy_(made);
  }
}

}  // namespace merganser::rt
