// For the tests of both Breadcrumbs methods: settings, and masks by a stable sort.
#pragma once

#include <string_view>
#include <vector>

#include "methods/parts/task_vectors_testing.h"

namespace merganser::test {

struct BreadcrumbsOptions {
  double lambda = 1;
  bool normalize = false, rescale = false, inverse = false;
};

inline Settings breadcrumbs_settings(std::string_view method, const std::vector<double>& w,
                                     const std::vector<double>& density,
                                     const std::vector<double>& gamma,
                                     const BreadcrumbsOptions& options = {}) {
  auto inputs = weights(w, density);
  for (std::size_t i = 0; i < gamma.size(); ++i) inputs[i]["gamma"] = gamma[i];
  return settings_of(method,
                     {{"lambda", options.lambda},
                      {"normalize", options.normalize},
                      {"rescale", options.rescale},
                      {"rescale_mode", options.inverse ? "inverse" : "l1"}},
                     std::move(inputs));
}

// The band as MergeKit counts it, by the ranks' own order: ascending, from `bottom` on. Of equal
// magnitudes the first counts as the largest.
template <class T>
std::vector<bool> band(const std::vector<T>& x, double density, double gamma) {
  const auto n = static_cast<long>(x.size());
  if (density >= 1) return std::vector<bool>(x.size(), true);
  const long target = static_cast<long>(density * static_cast<double>(n));
  const long top = static_cast<long>(gamma * static_cast<double>(n));
  const long bottom = std::max(0L, n - target - top);
  std::vector<long> order(x.size());
  std::iota(order.begin(), order.end(), 0L);
  std::sort(order.begin(), order.end(), [&](long a, long b) {
    const T p = std::abs(x[static_cast<std::size_t>(a)]),
            q = std::abs(x[static_cast<std::size_t>(b)]);
    return p != q ? p < q : a > b;
  });
  std::vector<bool> kept(x.size());
  for (long r = bottom; r < bottom + target; ++r)
    kept[static_cast<std::size_t>(order[static_cast<std::size_t>(r)])] = true;
  return kept;
}

template <class T>
std::vector<Term> breadcrumbs_terms(const Made<T>& made, const std::vector<double>& w,
                                    const std::vector<double>& density,
                                    const std::vector<double>& gamma,
                                    const BreadcrumbsOptions& options, bool elect) {
  std::vector<std::vector<bool>> kept;
  for (std::size_t m = 0; m < w.size(); ++m) {
    kept.push_back(band(delta(made.models[m], made.base), density[m], gamma[m]));
  }
  Sparse<T> sparse = sparsified(made, kept);
  for (std::size_t m = 0; m < w.size(); ++m) {
    if (!options.rescale) sparse.scales[m] = 1;
    if (options.rescale && options.inverse) sparse.scales[m] = 1 / Exact{density[m]};
  }
  return fused(made.base, sparse, w,
               {.lambda = options.lambda, .normalize = options.normalize, .elect = elect});
}

inline const std::vector<BreadcrumbsOptions>& breadcrumbs_variants() {
  static const std::vector<BreadcrumbsOptions> variants = {{},
                                                           {.lambda = 0.4, .normalize = true},
                                                           {.rescale = true},
                                                           {.rescale = true, .inverse = true}};
  return variants;
}

}  // namespace merganser::test
