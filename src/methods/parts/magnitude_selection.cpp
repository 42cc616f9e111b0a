#include "methods/parts/magnitude_selection.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace merganser::methods {
namespace {

constexpr std::size_t kBins = 4096;
// Half-width of the first bracket in standard deviations of a sample quantile. Too narrow costs
// passes now and then, too wide costs collected elements always. The sample comes in runs of
// neighbours, which scatter more than independent draws would: hence more than 4.
constexpr double kSigmas = 5;
constexpr std::size_t kEverything = std::numeric_limits<std::size_t>::max();

template <class T>
using BitsOf = typename MagnitudeSelection<T>::Bits;

template <class T>
constexpr BitsOf<T> kLargest = std::numeric_limits<BitsOf<T>>::max() >> 1;  // sign bit clear

template <class T>
BitsOf<T> bits_of(T magnitude) {
  return std::bit_cast<BitsOf<T>>(magnitude);
}

}  // namespace

std::uint64_t kept_elements(double density, std::uint64_t size) {
  if (density <= 0) return 0;
  if (density >= 1) return size;
  const auto kept = static_cast<std::uint64_t>(density * static_cast<double>(size));
  return std::min(size, std::max<std::uint64_t>(1, kept));
}

Band kept_band(double density, double gamma, std::uint64_t size) {
  if (density >= 1) return {0, size};
  const auto share = [size](double part) {
    return static_cast<std::uint64_t>(std::max(0.0, part) * static_cast<double>(size));
  };
  const std::uint64_t kept = std::min(size, share(density));
  if (kept == 0) return {};
  return {std::min(share(gamma), size - kept), kept};
}

template <class T>
MagnitudeSelection<T>::MagnitudeSelection(std::vector<std::uint64_t> sizes, std::uint64_t keep,
                                          Limits limits)
    : limits_(limits), sizes_(std::move(sizes)), keep_(keep), tallies_(sizes_.size()) {
  total_ = std::accumulate(sizes_.begin(), sizes_.end(), std::uint64_t{0});
  set_keep(keep);
}

template <class T>
void MagnitudeSelection<T>::set_keep(std::uint64_t keep) {
  if (stage_ == Stage::done) return;
  keep_ = keep;
  if (keep_ >= total_) finish(0, total_);
  if (keep_ == 0) finish(kLargest<T>, 0);
}

template <class T>
std::optional<typename MagnitudeSelection<T>::Pass> MagnitudeSelection<T>::next_pass() const {
  if (stage_ == Stage::done) return std::nullopt;
  return stage_ == Stage::sample ? Pass::sample : Pass::full;
}

template <class T>
unsigned MagnitudeSelection<T>::bin_shift() const {
  constexpr unsigned bin_bits = std::bit_width(kBins - 1);
  const auto width = static_cast<unsigned>(std::bit_width(static_cast<Bits>(high_ - low_)));
  return width > bin_bits ? width - bin_bits : 0;
}

template <class T>
void MagnitudeSelection<T>::look(const T* x, std::size_t size, Found& found) const {
  const T low = std::bit_cast<T>(low_), high = std::bit_cast<T>(high_);
  switch (stage_) {
    case Stage::sample:
      for (std::size_t i = 0; i < size; ++i) found.inside.push_back(std::abs(x[i]));
      return;
    case Stage::narrow: {
      found.bins.resize(kBins);
      count_bracket<T>(x, size, low, high, found.counts, found.inside);
      const unsigned shift = bin_shift();
      for (const T magnitude : found.inside) ++found.bins[(bits_of(magnitude) - low_) >> shift];
      found.inside.clear();
      return;
    }
    case Stage::collect:
      if (found.inside.size() > limits_.collected_in_chunk) {
        found.overflow = true;
      } else {
        count_bracket<T>(x, size, low, high, found.counts, found.inside);
      }
      return;
    case Stage::done:
      assert(false);
  }
}

template <class T>
void MagnitudeSelection<T>::fold(std::size_t tensor, std::vector<Found> chunks) {
  Tally tally;
  for (Found& chunk : chunks) {
    tally.above += chunk.counts.above;
    tally.overflow |= chunk.overflow;
    tally.chunks.push_back({chunk.counts.at_low, chunk.counts.at_high, std::move(chunk.inside)});
    if (chunk.bins.empty()) continue;
    tally.bins.resize(kBins);
    for (std::size_t i = 0; i < kBins; ++i) tally.bins[i] += chunk.bins[i];
  }
  tallies_[tensor] = std::move(tally);
}

template <class T>
void MagnitudeSelection<T>::end_pass() {
  if (stage_ == Stage::done) return;
  if (stage_ == Stage::sample) {
    bracket_from_sample();
  } else {
    settle();
  }
  if (stage_ == Stage::done) tallies_.clear();
}

template <class T>
void MagnitudeSelection<T>::bracket_from_sample() {
  // A tensor's sample stands for all of it: small tensors are sampled more densely.
  std::vector<std::pair<T, double>> sample;
  for (std::size_t i = 0; i < tallies_.size(); ++i) {
    std::size_t count = 0;
    for (const auto& chunk : tallies_[i].chunks) count += chunk.inside.size();
    for (const auto& chunk : tallies_[i].chunks) {
      for (const T magnitude : chunk.inside) {
        sample.emplace_back(magnitude, static_cast<double>(sizes_[i]) / static_cast<double>(count));
      }
    }
  }
  const auto by_bits = [](const auto& a, const auto& b) {
    return bits_of(a.first) > bits_of(b.first);
  };
  std::sort(sample.begin(), sample.end(), by_bits);
  std::size_t rank = 0;
  for (double seen = 0; rank < sample.size(); ++rank) {
    seen += sample[rank].second;
    if (seen >= static_cast<double>(keep_)) break;
  }
  const double share = static_cast<double>(keep_) / static_cast<double>(total_);
  const auto count = static_cast<double>(sample.size());
  const auto margin =
      static_cast<std::size_t>(kSigmas * std::sqrt(count * share * (1 - share))) + 2;
  const Bits high = rank >= margin ? bits_of(sample[rank - margin].first) : kLargest<T>;
  const Bits low = rank + margin < sample.size() ? bits_of(sample[rank + margin].first) : 0;
  const double expected = 2 * static_cast<double>(margin) / count * static_cast<double>(total_);
  aim(low, high, static_cast<std::uint64_t>(std::min(expected, 1e18)));
}

template <class T>
void MagnitudeSelection<T>::aim(Bits low, Bits high, std::uint64_t expected) {
  low_ = low;
  high_ = high;
  stage_ = expected <= limits_.collected || low == high ? Stage::collect : Stage::narrow;
}

template <class T>
void MagnitudeSelection<T>::settle() {
  std::uint64_t above = 0, at_high = 0, at_low = 0, inside = 0;
  bool overflow = false;
  for (const Tally& tally : tallies_) {
    above += tally.above;
    overflow |= tally.overflow;
    for (const auto& chunk : tally.chunks) {
      at_high += chunk.at_high;
      at_low += chunk.at_low;
      inside += chunk.inside.size();
    }
    for (const std::uint64_t bin : tally.bins) inside += bin;
  }
  if (overflow) {
    stage_ = Stage::narrow;  // the same bracket, by histogram
  } else if (keep_ <= above) {
    aim(high_ + 1, kLargest<T>, above);
  } else if (keep_ <= above + at_high) {
    // Narrowing passes keep counts by chunk too, so ties at an end of the bracket settle at once.
    finish(high_, keep_ - above);
  } else if (keep_ <= above + at_high + inside) {
    settle_inside(above + at_high);
  } else if (keep_ <= above + at_high + inside + at_low) {
    finish(low_, keep_ - above - at_high - inside);
  } else {
    aim(0, low_ - 1, total_);
  }
}

template <class T>
void MagnitudeSelection<T>::settle_inside(std::uint64_t above) {
  if (stage_ == Stage::narrow) {
    std::vector<std::uint64_t> bins(kBins);
    for (const Tally& tally : tallies_) {
      for (std::size_t i = 0; i < tally.bins.size(); ++i) bins[i] += tally.bins[i];
    }
    std::size_t bin = kBins - 1;
    for (; above + bins[bin] < keep_; --bin) above += bins[bin];
    const unsigned shift = bin_shift();
    const Bits low = low_ + (static_cast<Bits>(bin) << shift);
    const Bits high = low + ((Bits{1} << shift) - 1);
    aim(std::max<Bits>(low, low_ + 1), std::min<Bits>(high, high_ - 1), bins[bin]);
    return;
  }
  std::vector<T> all;
  for (const Tally& tally : tallies_) {
    for (const auto& chunk : tally.chunks) {
      all.insert(all.end(), chunk.inside.begin(), chunk.inside.end());
    }
  }
  const auto descending = [](T a, T b) { return bits_of(a) > bits_of(b); };
  const auto nth = all.begin() + static_cast<std::ptrdiff_t>(keep_ - above - 1);
  std::nth_element(all.begin(), nth, all.end(), descending);
  const Bits threshold = bits_of(*nth);
  const auto larger =
      std::count_if(all.begin(), all.end(), [&](T x) { return bits_of(x) > threshold; });
  finish(threshold, keep_ - above - static_cast<std::uint64_t>(larger));
}

template <class T>
void MagnitudeSelection<T>::finish(Bits threshold, std::uint64_t ties) {
  threshold_ = std::bit_cast<T>(threshold);
  stage_ = Stage::done;
  // A zero that is kept is still zero: no need to find out which ones are.
  if (threshold == 0) {
    last_tensor_ = kEverything;
    return;
  }
  for (std::size_t tensor = 0; tensor < tallies_.size(); ++tensor) {
    const auto& chunks = tallies_[tensor].chunks;
    for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk) {
      std::uint64_t here = 0;
      if (threshold == high_) {
        here = chunks[chunk].at_high;
      } else if (threshold == low_) {
        here = chunks[chunk].at_low;
      } else {
        here = static_cast<std::uint64_t>(
            std::count_if(chunks[chunk].inside.begin(), chunks[chunk].inside.end(),
                          [&](T x) { return bits_of(x) == threshold; }));  // NaN, too
      }
      if (ties <= here) {
        last_tensor_ = tensor;
        last_chunk_ = chunk;
        last_ties_ = ties;
        return;
      }
      ties -= here;
    }
  }
}

template <class T>
std::size_t MagnitudeSelection<T>::ties_kept(std::size_t tensor, std::size_t chunk) const {
  const auto here = std::pair(tensor, chunk), last = std::pair(last_tensor_, last_chunk_);
  if (here == last) return last_ties_;
  return here < last ? kEverything : 0;
}

template class MagnitudeSelection<float>;
template class MagnitudeSelection<double>;

}  // namespace merganser::methods
