#include "runtime/attention.h"

namespace merganser::rt {

at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
}

at::Tensor join_heads(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), -1});
}

at::Tensor causal_mask(const at::Tensor& mask, std::int64_t past, std::int64_t count,
                       std::int64_t window, at::Device device) {
  const bool windowed = window > 0 && past + count > window;
  if (!mask.defined() && !windowed && (past == 0 || count == 1)) return {};
  const auto integers = at::TensorOptions().dtype(at::kLong).device(device);
  const at::Tensor row = at::arange(past, past + count, integers).unsqueeze(1);
  const at::Tensor column = at::arange(past + count, integers).unsqueeze(0);
  at::Tensor allowed = column <= row;
  if (windowed) allowed = allowed.logical_and(column > row - window);
  allowed = allowed.unsqueeze(0).unsqueeze(0);
  if (!mask.defined()) return allowed;
  // A token always sees itself, so that rows of padding have something to attend to.
  const at::Tensor own = column.eq(row).unsqueeze(0).unsqueeze(0);
  return allowed.logical_and(mask.unsqueeze(1).unsqueeze(1)).logical_or(own);
}

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& allowed) {
  const bool grouped = k.size(1) != q.size(1);
  const bool causal = !allowed.defined() && q.size(2) > 1;
  const auto mask = allowed.defined() ? std::optional(allowed) : std::nullopt;
  return at::scaled_dot_product_attention(q, k, v, mask, 0.0, causal, std::nullopt, grouped);
}

}  // namespace merganser::rt
