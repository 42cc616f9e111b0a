#include "kernels/rank_dropout.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <span>
#include <utility>

#include "kernels/rank_bins.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

// Up to so many ranks of a row, or of a bin's, each is counted out in the whole row (n / 16 vector
// operations); up to kManyOfBin among the bin's members; for more these are sorted. All give the
// same ranks: found by trying.
constexpr std::size_t kShortRow = 64, kFew = 8, kFewOfBin = 3, kManyOfBin = 256;
// The bin of the mean step: 3.5 octaves above it, 4.5 below. Of a normal distribution that leaves
// out what is above 6 standard deviations or below 1/40 of one.
constexpr std::int64_t kMeanBin = 143;

// A lower bound of the upper 16 bits of p's threshold, at most 1 too low.
std::int32_t draws_below(double p) { return static_cast<std::int32_t>(p * 65536); }

std::uint16_t as_draw(std::int32_t value) {
  return static_cast<std::uint16_t>(std::clamp(value, 0, 0xFFFF));
}

// Grows only: resizing to and fro would clear it each time.
template <class V>
auto* room(V& vector, std::size_t size) {
  if (vector.size() < size) vector.resize(size);
  return vector.data();
}

template <class T>
class Row {
 public:
  Row(const T* x, std::size_t n, const RankProbability& p, const std::uint16_t* draws,
      RandomStream stream, std::uint64_t first, RankDropoutScratch<T>& scratch)
      : x_(x), n_(n), p_(p), draws_(draws), stream_(stream), first_(first), scratch_(scratch) {}

  void decide(std::uint8_t* bits) {
    if (n_ <= kShortRow) return decide_one_by_one(bits);
    kept_ = room(scratch_.kept, words());
    std::uint64_t* undecided = room(scratch_.undecided, words());
    const std::size_t count = split_draws(draws_, n_, as_draw(draws_below(p_.at(1))),
                                          as_draw(draws_below(p_.at(n_)) + 1), kept_, undecided);
    if (count <= kFew) {
      each_bit(undecided, [&](std::size_t i) {
        if (x_[i] != 0) settle(i, rank_of(x_, n_, i));
      });
    } else {
      decide_by_bins(undecided);
    }
    std::memcpy(bits, kept_, (n_ + 7) / 8);
  }

 private:
  std::size_t words() const { return (n_ + 63) / 64; }

  void decide_one_by_one(std::uint8_t* bits) {
    const std::int32_t low = draws_below(p_.at(1)), high = draws_below(p_.at(n_)) + 1;
    kept_ = room(scratch_.kept, 1);
    *kept_ = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      if (draws_[i] < low) {
        *kept_ |= std::uint64_t{1} << i;
      } else if (draws_[i] <= high && x_[i] != 0) {
        settle(i, rank_of(x_, n_, i));
      }
    }
    std::memcpy(bits, kept_, (n_ + 7) / 8);
  }

  template <class Act>
  void each_bit(const std::uint64_t* mask, Act act) const {
    for (std::size_t word = 0; word < words(); ++word) {
      for (std::uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
        act(64 * word + static_cast<std::size_t>(std::countr_zero(bits)));
      }
    }
  }

  void settle(std::size_t i, std::size_t rank) {
    const bool kept = keeps(stream_, first_ + i, p_.threshold(rank), draws_[i]);
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    kept_[i / 64] = (kept_[i / 64] & ~bit) | (kept ? bit : 0);
  }

  void decide_by_bins(const std::uint64_t* undecided) {
    bins_ = room(scratch_.bins, n_ + 64);
    find_bins(x_, n_, mean_step(x_, n_) - kMeanBin, bins_);
    count_bins();
    std::uint32_t* ambiguous = room(scratch_.ambiguous, n_ + 1);
    const std::size_t count =
        compare_edges(draws_, bins_, words(), edges_.data(), undecided, kept_, ambiguous);
    if (count <= kFew) {
      for (std::size_t k = 0; k < count; ++k) settle(ambiguous[k], rank_of(x_, n_, ambiguous[k]));
    } else {
      resolve({ambiguous, count});
    }
  }

  // before_[b]: entries in the bins below b. An entry of bin b has a rank in (before_[b],
  // before_[b + 1]], and edges_ of the two bound its threshold.
  void count_bins() {
    std::array<std::array<std::int32_t, kRankBins>, 4> counts{};
    std::size_t i = 0;
    for (; i + 8 <= n_; i += 8) {
      std::uint64_t eight;
      std::memcpy(&eight, bins_ + i, 8);
      for (std::size_t j = 0; j < 8; ++j) ++counts[j % 4][eight >> (8 * j) & 0xFF];
    }
    for (; i < n_; ++i) ++counts[0][bins_[i]];
    std::int32_t sum = 0;
    for (std::size_t bin = 0; bin < kRankBins; ++bin) {
      counts[0][bin] += counts[1][bin] + counts[2][bin] + counts[3][bin];
    }
    for (std::size_t bin = 0; bin < kRankBins; ++bin) {
      before_[bin] = sum;
      sum += counts[0][bin];
    }
    before_[kRankBins] = sum;
    for (std::size_t bin = 0; bin <= kRankBins; ++bin) {
      // Less than 0 for the first at most: no draw is below it.
      edges_[bin] = draws_below(p_.low + (before_[bin] - 1) * p_.step);
    }
  }

  // The entries whose draws lie between the thresholds of their bin's ends: bin by bin.
  void resolve(std::span<const std::uint32_t> ambiguous) {
    // A chain for each bin that has some, in the order of their indices.
    constexpr std::uint32_t kNone = ~std::uint32_t{0};
    std::array<std::uint32_t, kRankBins> heads;
    heads.fill(kNone);
    std::uint32_t* next = room(scratch_.next, ambiguous.size());
    for (std::size_t k = ambiguous.size(); k-- > 0;) {
      std::uint32_t& head = heads[bins_[ambiguous[k]]];
      next[k] = std::exchange(head, static_cast<std::uint32_t>(k));
    }
    for (std::size_t bin = 1; bin < kRankBins; ++bin) {
      if (heads[bin] == kNone) continue;
      std::uint32_t* chain = room(scratch_.chain, ambiguous.size());
      std::size_t wanted = 0;
      for (std::uint32_t k = heads[bin]; k != kNone; k = next[k]) chain[wanted++] = ambiguous[k];
      resolve_bin(bin, {chain, wanted});
    }
  }

  void resolve_bin(std::size_t bin, std::span<const std::uint32_t> entries) {
    const auto magnitude = [this](std::uint32_t i) { return reference::magnitude(x_[i]); };
    const auto equals_first = [&](std::uint32_t i) {
      return magnitude(i) == magnitude(entries[0]);
    };
    if (std::all_of(entries.begin(), entries.end(), equals_first)) {
      // Fine-tunes stored in 16 bits have few different magnitudes.
      std::uint32_t* ranks = room(scratch_.ranks, entries.size());
      rank_equals(x_, n_, entries, ranks);
      for (std::size_t k = 0; k < entries.size(); ++k) settle(entries[k], ranks[k]);
    } else if (entries.size() <= kFewOfBin) {
      for (const std::uint32_t i : entries) settle(i, rank_of(x_, n_, i));
    } else {
      const Members members = gather(static_cast<std::uint8_t>(bin), entries.size());
      const auto before = static_cast<std::size_t>(before_[bin]);
      std::size_t place = 0;
      for (const std::uint32_t i : entries) {
        while (members.entries[place] != i) ++place;
        settle(i, before + members.rank(place));
      }
    }
  }

  // The entries of a bin, by index.
  struct Members {
    const std::uint32_t* entries = nullptr;
    const T* magnitudes = nullptr;
    std::size_t count = 0;
    const std::uint32_t* ranks = nullptr;  // null: not worked out

    std::size_t rank(std::size_t place) const {
      return ranks != nullptr ? ranks[place] : rank_of(magnitudes, count, place);
    }
  };

  Members gather(std::uint8_t bin, std::size_t wanted) {
    std::uint32_t* entries = room(scratch_.members, n_ + 3);
    T* magnitudes = room(scratch_.magnitudes, n_);
    Members members{entries, magnitudes, find_members(bins_, n_, bin, entries)};
    for (std::size_t k = 0; k < members.count; ++k) magnitudes[k] = std::abs(x_[entries[k]]);
    if (wanted > kManyOfBin) {
      std::uint32_t* ranks = room(scratch_.ranks, members.count);
      rank_magnitudes(magnitudes, members.count, ranks, scratch_.sort);
      members.ranks = ranks;
    }
    return members;
  }

  const T* x_;
  std::size_t n_;
  const RankProbability& p_;
  const std::uint16_t* draws_;
  RandomStream stream_;
  std::uint64_t first_;
  RankDropoutScratch<T>& scratch_;
  std::uint64_t* kept_ = nullptr;
  std::uint8_t* bins_ = nullptr;
  std::array<std::int32_t, kRankBins + 1> before_;
  std::array<std::int32_t, kRankBins + 1> edges_;
};

}  // namespace

RankProbability::RankProbability(double density, double epsilon, std::size_t n)
    : low(n < 2 ? density : density - epsilon),
      step(n < 2 ? 0 : 2 * epsilon / static_cast<double>(n - 1)) {}

std::uint64_t RankProbability::threshold(std::uint64_t rank) const {
  constexpr std::uint64_t most = std::uint64_t{1} << 32;
  const double scaled = at(rank) * 4294967296.0 + 0.5;
  return std::min(most, static_cast<std::uint64_t>(std::max(0.0, scaled)));
}

template <class T>
void keep_by_rank(std::uint8_t* bits, const T* x, std::size_t n, const RankProbability& p,
                  const std::uint16_t* draws, RandomStream stream, std::uint64_t first,
                  RankDropoutScratch<T>& scratch) {
  assert(n < std::size_t{1} << 31);
  if (n != 0) Row<T>(x, n, p, draws, stream, first, scratch).decide(bits);
}

template void keep_by_rank(std::uint8_t*, const float*, std::size_t, const RankProbability&,
                           const std::uint16_t*, RandomStream, std::uint64_t,
                           RankDropoutScratch<float>&);
template void keep_by_rank(std::uint8_t*, const double*, std::size_t, const RankProbability&,
                           const std::uint16_t*, RandomStream, std::uint64_t,
                           RankDropoutScratch<double>&);

}  // namespace merganser
