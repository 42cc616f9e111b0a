// The optimiser Adam (Kingma and Ba 2015), element by element, in the order of operations of
// PyTorch's CPU version; every operation rounds on its own. Thread-safe for different spans.
#pragma once

#include <cstddef>

namespace merganser {

// Of one step; the corrections of step k (from 1) are 1 - beta1^k and sqrt(1 - beta2^k).
template <class T>
struct AdamStep {
  T rate_over_correction;  // lr / (1 - beta1^k)
  T correction2_root;      // sqrt(1 - beta2^k)
  T keep1, keep2;          // 1 - beta1, and beta2
  T take2;                 // 1 - beta2
  T epsilon;
};

template <class T>
AdamStep<T> adam_step(std::size_t step, double rate);  // betas 0.9, 0.999; epsilon 1e-8

//   m += keep1 (g - m);  v = keep2 v + (take2 g) g;
//   x -= (rate_over_correction m) / (sqrt(v) / correction2_root + epsilon)
template <class T>
void adam(const AdamStep<T>& step, const T* gradient, T* m, T* v, T* x, std::size_t n);

}  // namespace merganser
