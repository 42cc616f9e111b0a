#include "lora/combine_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace merganser {
namespace {

template <class T>
void keep_largest(std::span<T> t, double density, std::vector<T>& magnitudes) {
  auto count = static_cast<std::size_t>(density * static_cast<double>(t.size()));
  if (count == 0) {
    std::ranges::fill(t, T{0});
    return;
  }
  magnitudes.resize(t.size());
  std::ranges::transform(t, magnitudes.begin(), [](T x) { return std::abs(x); });
  const auto at = magnitudes.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::ranges::nth_element(magnitudes, at, std::greater<>());
  const T threshold = *at;
  for (const T x : t) count -= std::abs(x) > threshold ? 1 : 0;
  for (T& x : t) {
    const T magnitude = std::abs(x);
    if (magnitude > threshold) continue;
    if (magnitude == threshold && count > 0) {
      --count;
    } else {
      x = 0;
    }
  }
}

template <class T>
void keep_some(std::span<T> t, double density, RandomStream stream) {
  const std::uint64_t threshold = keep_threshold(density);
  for (std::size_t i = 0; i < t.size(); ++i) {
    t[i] = keeps(stream, i, threshold) ? static_cast<T>(t[i] / density) : T{0};
  }
}

}  // namespace

template <class T>
void combine_tensors(std::span<const double> weights, const CombineRule& rule,
                     std::span<const RandomStream> streams,
                     const std::function<void(std::size_t i, std::span<T> t)>& load,
                     std::span<T> out) {
  std::vector<T> tensor(out.size()), magnitudes;
  const auto next = [&](std::size_t i) {
    load(i, tensor);
    if (rule.density >= 1) return;
    if (rule.pruning == Pruning::magnitude) keep_largest<T>(tensor, rule.density, magnitudes);
    if (rule.pruning == Pruning::random) keep_some<T>(tensor, rule.density, streams[i]);
  };
  if (!rule.elect) {
    std::ranges::fill(out, T{0});
    for (std::size_t i = 0; i < weights.size(); ++i) {
      next(i);
      const T weight = static_cast<T>(weights[i]);
      for (std::size_t e = 0; e < out.size(); ++e) out[e] += weight * tensor[e];
    }
    return;
  }
  std::vector<T> votes(out.size(), T{0});
  const auto sign = [](T x) { return static_cast<T>((x > 0) - (x < 0)); };
  for (std::size_t i = 0; i < weights.size(); ++i) {
    next(i);
    for (std::size_t e = 0; e < out.size(); ++e) {
      votes[e] += rule.by_frequency ? sign(tensor[e]) : tensor[e];
    }
  }
  std::vector<std::uint32_t> agreeing(out.size(), 0);
  std::ranges::fill(out, T{0});
  for (std::size_t i = 0; i < weights.size(); ++i) {
    next(i);
    const T weight = static_cast<T>(weights[i]);
    for (std::size_t e = 0; e < out.size(); ++e) {
      if (sign(tensor[e]) != (votes[e] >= 0 ? 1 : -1)) continue;
      out[e] += weight * tensor[e];
      ++agreeing[e];
    }
  }
  for (std::size_t e = 0; e < out.size(); ++e) {
    if (agreeing[e] > 1) out[e] /= static_cast<T>(agreeing[e]);
  }
}

template void combine_tensors(std::span<const double>, const CombineRule&,
                              std::span<const RandomStream>,
                              const std::function<void(std::size_t, std::span<float>)>&,
                              std::span<float>);
template void combine_tensors(std::span<const double>, const CombineRule&,
                              std::span<const RandomStream>,
                              const std::function<void(std::size_t, std::span<double>)>&,
                              std::span<double>);

}  // namespace merganser
