// For the tests of both DELLA methods: settings, and masks by a stable sort and base/random.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "methods/parts/task_vectors_testing.h"

namespace merganser::test {

struct DellaOptions {
  double lambda = 1;
  bool normalize = false, rescale = true, inverse = false;
};

inline Settings della_settings(std::string_view method, const std::vector<double>& w,
                               const std::vector<double>& density,
                               const std::vector<double>& epsilon,
                               const DellaOptions& options = {}) {
  auto inputs = weights(w, density);
  for (std::size_t i = 0; i < epsilon.size(); ++i) inputs[i]["epsilon"] = epsilon[i];
  return settings_of(method,
                     {{"lambda", options.lambda},
                      {"normalize", options.normalize},
                      {"rescale", options.rescale},
                      {"rescale_mode", options.inverse ? "inverse" : "l1"}},
                     std::move(inputs));
}

// The probability of keeping each entry, rows being of the last axis.
template <class T>
std::vector<double> keep_probabilities(const std::vector<T>& x, const Shape& shape, double density,
                                       double epsilon) {
  const std::size_t n = shape.empty() ? x.size() : static_cast<std::size_t>(shape.back());
  std::vector<double> p(x.size(), density);
  if (n < 2) return p;
  for (std::size_t row = 0; row < x.size(); row += n) {
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), row);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return std::abs(x[a]) < std::abs(x[b]); });
    for (std::size_t r = 0; r < n; ++r) {
      const double step = 2 * epsilon / static_cast<double>(n - 1);
      p[order[r]] = density - epsilon + static_cast<double>(r) * step;
    }
  }
  return p;
}

// The stream's name is part of the documented format: the tensor's name, a line feed, the model's
// number in the recipe (here the base is 0).
inline std::vector<bool> drawn(const std::vector<double>& p, const std::string& name,
                               std::size_t model, std::uint64_t seed) {
  const RandomStream stream{seed, hash64(name + "\n" + std::to_string(model))};
  std::vector<bool> kept(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    kept[i] = p[i] > 0 &&
              keeps(stream, i, static_cast<std::uint64_t>(std::floor(std::ldexp(p[i], 32) + 0.5)));
  }
  return kept;
}

template <class T>
std::vector<Term> della_terms(const Made<T>& made, const std::vector<double>& w,
                              const std::vector<double>& density,
                              const std::vector<double>& epsilon, std::uint64_t seed,
                              const DellaOptions& options, bool elect) {
  std::vector<std::vector<double>> p;
  std::vector<std::vector<bool>> kept;
  for (std::size_t m = 0; m < w.size(); ++m) {
    const auto d = delta(made.models[m], made.base);
    p.push_back(keep_probabilities(d, made.shape, density[m], epsilon[m]));
    if (density[m] <= 0 || density[m] >= 1) p[m].assign(d.size(), density[m]);
    kept.push_back(drawn(p[m], made.name, m + 1, seed));
  }
  Sparse<T> sparse = sparsified(made, kept);
  if (!options.rescale || options.inverse) sparse.scales.assign(w.size(), 1);
  if (options.rescale && options.inverse) {
    for (std::size_t m = 0; m < w.size(); ++m) {
      for (std::size_t i = 0; i < p[m].size(); ++i) {
        if (kept[m][i]) sparse.deltas[m][i] *= static_cast<T>(1 / p[m][i]);
      }
    }
  }
  return fused(made.base, sparse, w,
               {.lambda = options.lambda, .normalize = options.normalize, .elect = elect});
}

inline const std::vector<DellaOptions>& della_variants() {
  static const std::vector<DellaOptions> variants = {
      {}, {.lambda = 0.4, .normalize = true}, {.rescale = false}, {.inverse = true}};
  return variants;
}

// Rows of many lengths, blocks of several rows and of one, chunks that end anywhere.
inline const std::vector<Shape>& della_shapes() {
  static const std::vector<Shape> shapes = {
      {},        {1},       {7},       {5000},     {1, 1}, {300, 1}, {700, 3},    {50, 65},
      {4, 2048}, {3, 2051}, {2, 9001}, {5, 4, 33}, {0, 8}, {8, 0},   {6, 5, 3, 3}};
  return shapes;
}

template <class T>
Made<T> shaped_tensor(const Shape& shape, unsigned seed, Settings settings, std::size_t models = 3,
                      bool coarse = false) {
  const auto n = static_cast<std::size_t>(elements(shape));
  auto made = coarse ? make_coarse_tensor<T>(n, seed, std::move(settings))
                     : make_tensor<T>(n, seed, std::move(settings), models);
  made.shape = shape;
  return made;
}

}  // namespace merganser::test
