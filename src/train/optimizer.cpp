#include "train/optimizer.h"

#include <ATen/core/grad_mode.h>

#include <array>
#include <utility>

namespace merganser::rt {

// What the fused kernels take: parallel lists.
struct Optimizer::Group {
  std::vector<at::Tensor> values, grads, firsts, seconds, counts;
};

Optimizer::Optimizer(std::vector<std::pair<std::string, at::Tensor>> parameters,
                     const OptimizerOptions& options)
    : options_(options) {
  for (auto& [name, live] : parameters) {
    Entry entry;
    entry.name = name;
    entry.live = live;
    const bool wide = live.scalar_type() == at::kFloat || live.scalar_type() == at::kDouble;
    entry.value = wide ? live.detach() : live.detach().to(at::kFloat);
    entry.decays = live.dim() >= 2;
    entry.live.requires_grad_(true);
    entries_.push_back(std::move(entry));
  }
}

void Optimizer::set_value(std::size_t index, at::Tensor values) {
  entries_[index].value = std::move(values);
}

double Optimizer::step(double rate) {
  const at::NoGradGuard no_grad;
  std::array<Group, 2> groups;  // without and with decay
  std::vector<at::Tensor> all;
  for (Entry& entry : entries_) {
    if (!entry.live.grad().defined()) continue;
    entry.reached = true;
    if (!entry.first.defined()) {
      entry.first = at::zeros_like(entry.value);
      if (options_.kind == OptimizerOptions::Kind::adamw) {
        entry.second = at::zeros_like(entry.value);
        entry.count = at::zeros({}, entry.value.options().dtype(at::kFloat));
      }
    }
    Group& group = groups[entry.decays ? 1 : 0];
    group.values.push_back(entry.value);
    group.grads.push_back(entry.live.grad().to(entry.value.scalar_type()));
    group.firsts.push_back(entry.first);
    group.seconds.push_back(entry.second);
    group.counts.push_back(entry.count);
    all.push_back(group.grads.back());
    entry.live.mutable_grad() = at::Tensor();
  }
  double norm = 0;
  if (options_.clip > 0 && !all.empty()) {
    norm = at::stack(at::_foreach_norm(all, 2)).norm().item<double>();
    const double scale = options_.clip / (norm + 1e-6);
    if (scale < 1) at::_foreach_mul_(all, scale);
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].values.empty()) continue;
    const double decay = g == 1 ? options_.weight_decay : 0;
    if (options_.kind == OptimizerOptions::Kind::adamw) {
      step_adamw(groups[g], rate, decay);
    } else {
      step_sgd(groups[g], rate, decay);
    }
  }
  for (Entry& entry : entries_) {
    if (!entry.value.is_alias_of(entry.live)) entry.live.copy_(entry.value);
  }
  return norm;
}

void Optimizer::step_adamw(Group& group, double rate, double decay) const {
  at::_foreach_add_(group.counts, 1);
  at::_fused_adamw_(group.values, group.grads, group.firsts, group.seconds, {}, group.counts, rate,
                    options_.beta1, options_.beta2, decay, options_.eps, false, false);
}

void Optimizer::step_sgd(Group& group, double rate, double decay) const {
  if (decay != 0) at::_foreach_add_(group.grads, group.values, decay);
  at::_foreach_mul_(group.firsts, options_.momentum);
  at::_foreach_add_(group.firsts, group.grads, 1);
  at::_foreach_add_(group.values, group.firsts, -rate);
}

std::vector<at::Tensor> Optimizer::save() const {
  std::vector<at::Tensor> saved;
  for (const Entry& entry : entries_) saved.push_back(entry.value.clone());
  return saved;
}

void Optimizer::restore(const std::vector<at::Tensor>& saved) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].value.copy_(saved[i]);
    if (!entries_[i].value.is_alias_of(entries_[i].live)) entries_[i].live.copy_(saved[i]);
  }
}

}  // namespace merganser::rt
