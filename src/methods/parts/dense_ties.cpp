#include "methods/parts/dense_ties.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "kernels/consensus.h"
#include "kernels/select.h"
#include "methods/parts/magnitude_selection.h"

namespace merganser::methods {

template <class T>
void trim_to_density(T* x, std::size_t n, double density) {
  const auto keep = static_cast<std::size_t>(kept_elements(density, n));
  if (keep >= n) return;
  if (keep == 0) return std::fill_n(x, n, T{0}), void();
  std::vector<T> sizes(n);
  for (std::size_t i = 0; i < n; ++i) sizes[i] = std::abs(x[i]);
  const auto at = sizes.begin() + static_cast<std::ptrdiff_t>(keep - 1);
  std::nth_element(sizes.begin(), at, sizes.end(), std::greater<T>());
  const T threshold = *at;
  const auto above = std::count_if(sizes.begin(), at, [&](T size) { return size > threshold; });
  trim<T>(x, n, threshold, keep - static_cast<std::size_t>(above));
}

template <class T>
void merge_dense_ties(std::span<T* const> x, std::span<const double> density, T* out,
                      std::size_t n) {
  for (std::size_t i = 0; i < x.size(); ++i) trim_to_density<T>(x[i], n, density[i]);
  const std::vector<T> ones(x.size(), T{1});
  consensus<T>(x, ones, {}, true, out, n);
}

template void trim_to_density(float*, std::size_t, double);
template void trim_to_density(double*, std::size_t, double);
template void merge_dense_ties(std::span<float* const>, std::span<const double>, float*,
                               std::size_t);
template void merge_dense_ties(std::span<double* const>, std::span<const double>, double*,
                               std::size_t);

}  // namespace merganser::methods
