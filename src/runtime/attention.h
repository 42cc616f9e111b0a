// Scaled dot-product attention as the families share it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace merganser::rt {

// [B, T, heads * width] -> [B, heads, T, width] and back.
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads);
at::Tensor join_heads(const at::Tensor& x);

// Of queries that follow `past` earlier tokens: what each may look at, [B or 1, 1, T, past + T],
// or undefined where plain causal attention says the same (no padding, no window, no past).
// `mask`: bool [B, past + T] or undefined. `window`: tokens seen, itself included; 0: all.
at::Tensor causal_mask(const at::Tensor& mask, std::int64_t past, std::int64_t count,
                       std::int64_t window, at::Device device);

// q [B, heads, T, d]; k, v [B, kv_heads, S, d]: kv_heads divides heads. An undefined `allowed` is
// causal.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& allowed);

}  // namespace merganser::rt
