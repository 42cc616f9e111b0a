#include "analyze/figures.h"

#include <algorithm>
#include <cmath>

namespace merganser {

double Spectrum::left(std::size_t rank) const {
  if (whole && rank >= s.size()) return 0;
  double held = 0;
  for (std::size_t i = 0; i < std::min(rank, s.size()); ++i) held += s[i] * s[i];
  return std::max(0.0, squared - held);
}

double Spectrum::residual() const { return std::sqrt(left(s.size()) / squared); }

std::optional<double> Spectrum::effective_rank() const {
  if (!whole || s.empty()) return std::nullopt;
  double sum = 0, entropy = 0;
  for (const double value : s) sum += value;
  for (const double value : s) entropy -= value / sum * std::log(value / sum);
  return std::exp(entropy);
}

double Spectrum::stable_rank() const { return s.empty() ? 0 : squared / (s[0] * s[0]); }

std::optional<std::size_t> Spectrum::rank_90() const {
  double held = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    held += s[i] * s[i];
    if (held >= 0.9 * squared) return i + 1;
  }
  return std::nullopt;
}

}  // namespace merganser
