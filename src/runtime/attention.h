// Scaled dot-product attention as the families share it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <utility>

namespace merganser::rt {

// [B, T, heads * width] -> [B, heads, T, width] and back.
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads);
at::Tensor join_heads(const at::Tensor& x);

// Of queries that follow `past` earlier tokens: what each may look at, bool [1, 1, T, past + T], or
// undefined where plain causal attention says the same (no window, no past). `window`: tokens
// seen, itself included; 0: all.
at::Tensor causal_mask(std::int64_t past, std::int64_t count, std::int64_t window,
                       at::Device device);

// q [B, heads, T, d]; k, v [B, kv_heads, S, d]: kv_heads divides heads. An undefined `allowed` is
// causal. `scale` of the products; none: 1 / sqrt(d).
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& allowed, std::optional<double> scale = {});

// A cache's keys and values (undefined in an empty one) go before `k` and `v`, and are replaced by
// the longer ones.
void extend_cache(std::pair<at::Tensor, at::Tensor>& cached, at::Tensor& k, at::Tensor& v);

// All tokens see those of `mask` (bool [B, T]; undefined: all). q, k, v [B, heads, T, d].
at::Tensor full_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& mask);

}  // namespace merganser::rt
