#include "runtime/smile_linear.h"

#include <fmt/format.h>

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "runtime/smile_spec.h"
#include "runtime/weights.h"

namespace merganser::rt {
namespace {

bool not_zeros(const at::Tensor& tensor) {
  return tensor.defined() && tensor.numel() > 0 && tensor.ne(0).any().item<bool>();
}

}  // namespace

SmileLinear::SmileLinear(PlainLinear base, at::Tensor router, SmileExperts experts,
                         std::int64_t per_token, std::shared_ptr<const Routing> routing)
    : base_(std::move(base)),
      router_(std::move(router)),
      experts_(std::move(experts)),
      per_token_(per_token),
      routing_(std::move(routing)) {
  std::int64_t row = 0;
  for (const std::int64_t rank : experts_.ranks) {
    first_.push_back(row);
    row += rank;
  }
  if (experts_.inside.defined()) {
    owner_ =
        at::repeat_interleave(at::tensor(experts_.ranks, at::kLong)).to(experts_.inside.device());
  }
  look();
}

std::vector<const at::Tensor*> SmileLinear::expert_tensors() const {
  std::vector<const at::Tensor*> all = {&experts_.inside, &experts_.outside, &experts_.dense,
                                        &experts_.bias};
  for (const auto* several :
       {&experts_.each_inside, &experts_.each_outside, &experts_.each_dense, &experts_.each_bias}) {
    for (const at::Tensor& one : *several) all.push_back(&one);
  }
  std::erase_if(all, [](const at::Tensor* tensor) { return !tensor->defined(); });
  return all;
}

void SmileLinear::look() const {
  std::int64_t version = 0;
  for (const at::Tensor* tensor : expert_tensors()) {
    version += static_cast<std::int64_t>(tensor->_version());
  }
  if (version == version_) return;
  const at::NoGradGuard no_grad;
  version_ = version;
  parts_.assign(experts_.ranks.size(), {});
  for (std::size_t e = 0; e < parts_.size(); ++e) {
    const auto index = static_cast<std::int64_t>(e);
    if (experts_.dense.defined()) {
      parts_[e].weight = not_zeros(experts_.dense.select(0, index));
    } else if (!experts_.each_dense.empty()) {
      parts_[e].weight = not_zeros(experts_.each_dense[e]);
    } else if (experts_.inside.defined()) {
      const auto rows = [&](const at::Tensor& of) {
        return of.narrow(0, first_[e], experts_.ranks[e]);
      };
      parts_[e].weight = not_zeros(rows(experts_.inside)) && not_zeros(rows(experts_.outside));
    } else if (!experts_.each_inside.empty()) {
      parts_[e].weight = not_zeros(experts_.each_inside[e]) && not_zeros(experts_.each_outside[e]);
    }
    parts_[e].bias = not_zeros(bias_of(index));
  }
}

at::Tensor SmileLinear::bias_of(std::int64_t expert) const {
  if (experts_.bias.defined()) return experts_.bias.select(0, expert);
  if (experts_.each_bias.empty()) return {};
  return experts_.each_bias[static_cast<std::size_t>(expert)];
}

at::Tensor SmileLinear::router_logits(const at::Tensor& rows) const {
  const at::ScalarType type = at::promote_types(router_.scalar_type(), at::kFloat);
  const at::Tensor projected = at::linear(rows.to(type), router_.to(type));
  return at::linalg_vector_norm(projected.view({rows.size(0), experts(), -1}), 2, {-1});
}

std::pair<at::Tensor, at::Tensor> SmileLinear::route(const at::Tensor& rows) const {
  const auto ones = [&] {
    return at::ones({rows.size(0), 1}, at::promote_types(rows.scalar_type(), at::kFloat));
  };
  if (experts() == 1) {
    return {at::zeros({rows.size(0), 1}, rows.options().dtype(at::kLong)),
            ones().to(rows.device())};
  }
  const at::Tensor logits = router_logits(rows);
  // Of equally long ones the first.
  if (per_token_ == 1) return {logits.argmax(-1, true), ones().to(rows.device())};
  const auto [values, chosen] = logits.topk(per_token_, -1);
  // The softmax over all, restricted to the chosen and divided by its sum, is theirs alone.
  return {chosen, values.softmax(-1)};
}

// Of the expert for these rows: [rows, out], scaled by [rows, 1] where that is defined.
at::Tensor SmileLinear::product(std::int64_t expert, const at::Tensor& rows,
                                const at::Tensor& scale) const {
  const auto e = static_cast<std::size_t>(expert);
  at::Tensor y;
  if (experts_.dense.defined() || !experts_.each_dense.empty()) {
    y = at::linear(
        rows, experts_.dense.defined() ? experts_.dense.select(0, expert) : experts_.each_dense[e]);
    if (scale.defined()) y = y * scale;
  } else {
    const bool stacked = experts_.inside.defined();
    at::Tensor inner =
        at::linear(rows, stacked ? experts_.inside.narrow(0, first_[e], experts_.ranks[e])
                                 : experts_.each_inside[e]);
    if (scale.defined()) inner = inner * scale;
    y = stacked ? at::mm(inner, experts_.outside.narrow(0, first_[e], experts_.ranks[e]))
                : at::linear(inner, experts_.each_outside[e]);
  }
  return y;
}

void SmileLinear::add_everywhere(at::Tensor& y, const at::Tensor& rows, std::int64_t expert,
                                 double weight) const {
  const Parts& parts = parts_[static_cast<std::size_t>(expert)];
  if (weight == 0) return;
  if (parts.weight) y.add_(product(expert, rows, {}), weight);
  if (parts.bias) y.add_(bias_of(expert), weight);
}

// One product for each expert, of the rows that chose it.
void SmileLinear::add_to_its_tokens(at::Tensor& y, const at::Tensor& rows, const at::Tensor& chosen,
                                    const at::Tensor& weights) const {
  for (std::int64_t expert = 0; expert < experts(); ++expert) {
    const Parts& parts = parts_[static_cast<std::size_t>(expert)];
    if (!parts.weight && !parts.bias) continue;
    const at::Tensor its = chosen.eq(expert);
    const at::Tensor index = its.any(1).nonzero().squeeze(1);
    if (index.size(0) == 0) continue;
    at::Tensor scale;
    if (per_token_ > 1) {
      scale = (weights * its).sum(1, true).index_select(0, index).to(y.scalar_type());
    }
    at::Tensor part;
    if (parts.weight) part = product(expert, rows.index_select(0, index), scale);
    if (parts.bias) {
      at::Tensor bias = bias_of(expert);
      if (scale.defined()) bias = bias * scale;
      part = part.defined() ? part + bias : bias.expand({index.size(0), out});
    }
    // A row is there once in `index`, so the sum does not depend on threads.
    y.index_add_(0, index, part);
  }
}

// Every expert for every row, scaled by the rows' weights, most of which are 0.
void SmileLinear::add_all(at::Tensor& y, const at::Tensor& rows, const at::Tensor& chosen,
                          const at::Tensor& weights) const {
  const at::Tensor spread =
      at::zeros({rows.size(0), experts()}, weights.options()).scatter(1, chosen, weights);
  const at::Tensor scale = spread.to(y.scalar_type());
  const at::Tensor inner = at::linear(rows, experts_.inside) * scale.index_select(1, owner_);
  y.addmm_(inner, experts_.outside);
  if (experts_.bias.defined()) y.addmm_(scale, experts_.bias);
}

// One product over all experts does what most rows do not need; a product for each expert collects
// and returns its rows, and is one more to call. Measured on one core in f32 (widths 64 to 1536, 2
// to 8 experts, ranks 8 to 128, 1 to 2048 rows): collecting costs as much as 16 rows of factors,
// an expert that has rows as much as 2^18 multiplications.
bool SmileLinear::all_for_all(std::int64_t rows) const {
  if (!experts_.inside.defined()) return false;
  if (routing_->products != Routing::Products::fastest) {
    return routing_->products == Routing::Products::all_for_all;
  }
  constexpr double collecting = 16, calling = 1 << 18;
  const double unused = static_cast<double>(owner_.size(0) * (experts() - per_token_)) /
                        static_cast<double>(experts());
  const double spared =
      (unused - collecting) * static_cast<double>(rows) * static_cast<double>(in + out);
  return spared < calling * static_cast<double>(std::min(experts(), rows * per_token_));
}

at::Tensor SmileLinear::apply(const at::Tensor& x) const {
  const at::Tensor rows = x.reshape({-1, in});
  at::Tensor y = base_(rows);
  if (rows.size(0) > 0) {
    look();
    if (routing_->expert) {
      add_everywhere(y, rows, *routing_->expert, 1);
    } else if (!routing_->weights.empty()) {
      for (std::int64_t expert = 0; expert < experts(); ++expert) {
        add_everywhere(y, rows, expert, routing_->weights[static_cast<std::size_t>(expert)]);
      }
    } else {
      const bool idle = std::none_of(parts_.begin(), parts_.end(),
                                     [](const Parts& parts) { return parts.weight || parts.bias; });
      if (!idle || routing_->listener != nullptr) {
        const auto [chosen, weights] = route(rows);
        if (routing_->listener != nullptr) {
          std::vector<std::int64_t> shape = x.sizes().vec();
          shape.back() = per_token_;
          routing_->listener->chose(*this, chosen.view(shape));
        }
        if (!idle && experts() == 1) {
          add_everywhere(y, rows, 0, 1);
        } else if (!idle && all_for_all(rows.size(0))) {
          add_all(y, rows, chosen, weights);
        } else if (!idle) {
          add_to_its_tokens(y, rows, chosen, weights);
        }
      }
    }
  }
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = out;
  return y.view(shape);
}

namespace {

std::shared_ptr<Linear> from_transformers(Weights& weights, const SmileSpec& spec,
                                          const SmileModuleSpec& module, const std::string& name,
                                          std::int64_t in, std::int64_t out, bool bias,
                                          bool transposed) {
  const std::int64_t experts = spec.size();
  at::Tensor weight = weights.tensor(name + ".weight",
                                     transposed ? std::vector{in, out} : std::vector{out, in}, {});
  at::Tensor offset = bias ? weights.tensor(name + ".bias", {out}, {}) : at::Tensor();
  at::Tensor router;
  if (experts > 1) {
    router = weights.tensor(name + ".smile_router", {experts * module.router_rank, in}, {});
  }
  SmileExperts made;
  made.ranks = module.ranks;
  if (module.dense) {
    made.ranks.assign(made.ranks.size(), 0);
    made.dense = weights.tensor(name + ".smile_dense", {experts, out, in}, {});
  } else {
    const std::int64_t rank =
        std::accumulate(made.ranks.begin(), made.ranks.end(), std::int64_t{0});
    if (rank > 0) {
      made.inside = weights.tensor(name + ".smile_in", {rank, in}, {});
      made.outside = weights.tensor(name + ".smile_out", {rank, out}, {});
    }
  }
  if (module.bias) made.bias = weights.tensor(name + ".smile_bias", {experts, out}, {});
  return std::make_shared<SmileLinear>(
      PlainLinear(std::move(weight), std::move(offset), transposed), std::move(router),
      std::move(made), module.per_token, weights.routing());
}

std::shared_ptr<Linear> from_fusion_bench(Weights& weights, const SmileSpec& spec,
                                          const std::string& name, std::int64_t in,
                                          std::int64_t out, bool bias) {
  const SmileModuleSpec& usual = spec.usual;
  at::Tensor weight = weights.tensor(name + ".shared_linear.weight", {out, in}, {});
  at::Tensor offset = bias ? weights.tensor(name + ".shared_linear.bias", {out}, {}) : at::Tensor();
  at::Tensor router =
      weights.tensor(name + ".gate.weight", {spec.size() * usual.router_rank, in}, {});
  SmileExperts made;
  made.ranks = usual.ranks;
  for (std::int64_t e = 0; e < spec.size(); ++e) {
    const std::string expert = fmt::format("{}.experts.{}", name, e);
    if (usual.dense) {
      made.each_dense.push_back(weights.tensor(expert + ".weight", {out, in}, {}));
    } else {
      const std::int64_t rank = usual.ranks[static_cast<std::size_t>(e)];
      made.each_outside.push_back(weights.tensor(expert + ".u", {out, rank}, {}));
      made.each_inside.push_back(weights.tensor(expert + ".svh", {rank, in}, {}));
    }
    if (bias) made.each_bias.push_back(weights.tensor(expert + ".bias", {out}, {}));
  }
  return std::make_shared<SmileLinear>(PlainLinear(std::move(weight), std::move(offset), false),
                                       std::move(router), std::move(made), usual.per_token,
                                       weights.routing());
}

}  // namespace

std::shared_ptr<Linear> make_smile_linear(Weights& weights, const std::string& name,
                                          std::int64_t in, std::int64_t out, bool bias,
                                          bool transposed) {
  const SmileSpec* spec = weights.smile();
  if (spec == nullptr) return nullptr;
  if (spec->layout == SmileLayout::fusion_bench) {
    if (transposed || !weights.has(name + ".shared_linear.weight")) return nullptr;
    return from_fusion_bench(weights, *spec, name, in, out, bias);
  }
  const auto module = spec->modules.find(weights.stored(name));
  if (module == spec->modules.end()) return nullptr;
  return from_transformers(weights, *spec, module->second, name, in, out, bias, transposed);
}

}  // namespace merganser::rt
