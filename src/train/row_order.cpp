#include "train/row_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/hash.h"
#include "base/random.h"

namespace merganser::rt {

RowOrder::RowOrder(std::uint64_t seed, const std::string& task, std::int64_t rows)
    : seed_(seed), stream_(hash64("rows of " + task)), order_(static_cast<std::size_t>(rows)) {
  shuffle();
}

void RowOrder::shuffle() {
  std::vector<std::pair<std::uint64_t, std::int64_t>> keys(order_.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto words =
        philox({static_cast<std::uint32_t>(i), epoch_, static_cast<std::uint32_t>(stream_),
                static_cast<std::uint32_t>(stream_ >> 32)},
               {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
    keys[i] = {(std::uint64_t{words[0]} << 32) | words[1], static_cast<std::int64_t>(i)};
  }
  std::ranges::sort(keys);
  std::ranges::transform(keys, order_.begin(), [](const auto& key) { return key.second; });
  taken_ = 0;
}

at::Tensor RowOrder::next(std::int64_t count) {
  at::Tensor rows = at::empty({count}, at::kLong);
  auto* out = rows.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    if (taken_ == order_.size()) {
      ++epoch_;
      shuffle();
    }
    out[i] = order_[taken_++];
  }
  return rows;
}

}  // namespace merganser::rt
