#include "analyze/magnitude_rank.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace merganser {
namespace {

constexpr unsigned kBits = 16;

std::uint64_t bits_of(double x) { return std::bit_cast<std::uint64_t>(std::abs(x)); }

}  // namespace

MagnitudeRank::MagnitudeRank(std::uint64_t rank, std::uint64_t most) : most_(most), left_(rank) {
  if (rank == 0) {
    finish(std::bit_cast<std::uint64_t>(std::numeric_limits<double>::infinity()));
  } else {
    bins_.assign(std::size_t{1} << kBits, 0);
  }
}

void MagnitudeRank::finish(std::uint64_t bits) {
  value_ = std::bit_cast<double>(bits);
  stage_ = Stage::done;
  bins_ = {};
  inside_ = {};
}

void MagnitudeRank::look(const double* x, std::size_t n) {
  if (stage_ == Stage::count) {
    const std::uint64_t mask = (std::uint64_t{1} << (known_ - shift_)) - 1;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t bits = bits_of(x[i]);
      if (bits >> known_ == prefix_) ++bins_[(bits >> shift_) & mask];
    }
  } else if (stage_ == Stage::collect) {
    for (std::size_t i = 0; i < n; ++i) {
      if (bits_of(x[i]) >> known_ == prefix_) inside_.push_back(std::abs(x[i]));
    }
  }
}

void MagnitudeRank::end_pass() {
  if (stage_ == Stage::collect) {
    const auto nth = inside_.begin() + static_cast<std::ptrdiff_t>(left_ - 1);
    std::nth_element(inside_.begin(), nth, inside_.end(), std::greater<>());
    finish(bits_of(*nth));
  } else if (stage_ == Stage::count) {
    std::size_t bin = bins_.size() - 1;
    while (bin > 0 && bins_[bin] < left_) left_ -= bins_[bin--];
    prefix_ = prefix_ << (known_ - shift_) | bin;
    known_ = shift_;
    if (known_ == 0) return finish(prefix_);
    if (bins_[bin] <= most_) {
      inside_.reserve(static_cast<std::size_t>(bins_[bin]));
      stage_ = Stage::collect;
    } else {
      shift_ = known_ > kBits ? known_ - kBits : 0;
      std::fill(bins_.begin(), bins_.end(), 0);
    }
  }
}

}  // namespace merganser
