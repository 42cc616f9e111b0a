// For the tests of the task-arithmetic family: fine-tunes, and what becomes of sparsified deltas,
// in long double.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "methods/testing.h"

namespace merganser::test {

template <class T>
Made<T> make_tensor(std::size_t n, unsigned seed, Settings settings, std::size_t models = 3) {
  Made<T> made;
  made.base = normal<T>(n, seed);
  for (unsigned m = 0; m < models; ++m) made.models.push_back(tuned(made.base, seed + 100 + m));
  made.settings = std::move(settings);
  made.name = "w" + std::to_string(seed);
  return made;
}

// As bf16 fine-tunes are: few different deltas, and many elements at each.
template <class T>
Made<T> make_coarse_tensor(std::size_t n, unsigned seed, Settings settings) {
  Made<T> made = make_tensor<T>(n, seed, std::move(settings));
  for (T& x : made.base) x = std::round(x * 8) / 8;
  unsigned m = 0;
  for (auto& model : made.models) {
    const auto noise = normal<T>(n, seed + 200 + m++, 2);
    for (std::size_t i = 0; i < n; ++i) model[i] = made.base[i] + std::round(noise[i]) / 64;
  }
  return made;
}

// Deltas after sparsification, and the factors that restore their L1 norms.
template <class T>
struct Sparse {
  std::vector<std::vector<T>> deltas;
  std::vector<Exact> scales;
};

template <class T>
Sparse<T> sparsified(const Made<T>& made, const std::vector<std::vector<bool>>& kept) {
  Sparse<T> sparse;
  for (std::size_t m = 0; m < made.models.size(); ++m) {
    auto& d = sparse.deltas.emplace_back(delta(made.models[m], made.base));
    Exact whole = 0, rest = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      whole += std::abs(Exact{d[i]});
      if (!kept[m][i]) d[i] = 0;
      rest += std::abs(Exact{d[i]});
    }
    // MergeKit: below 1e-7 a norm is left alone.
    sparse.scales.push_back(rest >= 1e-7L && whole >= 1e-7L ? whole / rest : 1);
  }
  return sparse;
}

struct FusionRule {
  double lambda = 1;
  bool normalize = false, elect = false, by_count = false;
  bool positive_on_zero = true;  // the sign of a tied vote
};

// The output's terms. A vote is taken in T, left to right, as the documentation of the kernel says;
// a sum of two or three numbers that is exactly zero in T is what "tied" means.
template <class T>
std::vector<Term> fused(const std::vector<T>& base, const Sparse<T>& sparse,
                        const std::vector<double>& w, const FusionRule& rule) {
  const std::size_t n = base.size(), models = w.size();
  std::vector<std::vector<T>> weighted(models);
  for (std::size_t m = 0; m < models; ++m) {
    const T scale = static_cast<T>(w[m] * static_cast<double>(sparse.scales[m]));
    for (const T d : sparse.deltas[m]) weighted[m].push_back(scale * d);
  }
  std::vector<Term> terms(n);
  for (std::size_t i = 0; i < n; ++i) {
    T votes = 0;
    for (const auto& model : weighted) {
      const T v = model[i];
      votes += rule.by_count ? static_cast<T>((v > 0) - (v < 0)) : v;
    }
    const bool positive = votes == 0 ? rule.positive_on_zero : votes > 0;
    const auto agrees = [&](std::size_t m) {
      const T v = weighted[m][i];
      return !rule.elect || (positive ? v > 0 : v < 0);
    };
    Exact divisor = 0;
    for (std::size_t m = 0; m < models; ++m) divisor += agrees(m) ? Exact{w[m]} : 0;
    if (!rule.normalize || divisor == 0) divisor = 1;
    terms[i].add(base[i]);
    for (std::size_t m = 0; m < models; ++m) {
      if (agrees(m))
        terms[i].add(rule.lambda * sparse.scales[m] * w[m] * sparse.deltas[m][i] / divisor);
    }
  }
  return terms;
}

// A weight's rounding, the rescaling factor's, product, two sums, the divisor's two sums and its
// quotient, lambda's rounding and product, and the base's sum; in f64 the factor itself is worth
// some more (sums of n terms).
template <class T>
constexpr int kFusedRoundings = std::is_same_v<T, float> ? 12 : 60;

}  // namespace merganser::test
