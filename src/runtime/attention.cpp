#include "runtime/attention.h"

namespace merganser::rt {

at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
}

at::Tensor join_heads(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), -1});
}

at::Tensor causal_mask(std::int64_t past, std::int64_t count, std::int64_t window,
                       at::Device device) {
  const bool windowed = window > 0 && past + count > window;
  if (!windowed && (past == 0 || count == 1)) return {};
  const auto integers = at::TensorOptions().dtype(at::kLong).device(device);
  const at::Tensor row = at::arange(past, past + count, integers).unsqueeze(1);
  const at::Tensor column = at::arange(past + count, integers).unsqueeze(0);
  at::Tensor allowed = column <= row;
  if (windowed) allowed = allowed.logical_and(column > row - window);
  return allowed.unsqueeze(0).unsqueeze(0);
}

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& allowed, std::optional<double> scale) {
  const bool grouped = k.size(1) != q.size(1);
  const bool causal = !allowed.defined() && q.size(2) > 1;
  const auto mask = allowed.defined() ? std::optional(allowed) : std::nullopt;
  return at::scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale, grouped);
}

void extend_cache(std::pair<at::Tensor, at::Tensor>& cached, at::Tensor& k, at::Tensor& v) {
  if (cached.first.defined()) {
    k = at::cat({cached.first, k}, 2);
    v = at::cat({cached.second, v}, 2);
  }
  cached = {k, v};
}

at::Tensor full_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& mask) {
  const auto keys = mask.defined() ? std::optional(mask.unsqueeze(1).unsqueeze(1)) : std::nullopt;
  return at::scaled_dot_product_attention(q, k, v, keys);
}

}  // namespace merganser::rt
