// f64 sums kept a block at a time, so that their fold does not depend on how a tensor was cut into
// chunks.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "method/merger.h"

namespace merganser::methods {

// `width` quantities; each reduce() appends one row of block sums.
class BlockSums : public Partial {
 public:
  explicit BlockSums(std::size_t width) : width_(width) {}

  double* append() {
    rows_.resize(rows_.size() + width_);
    return rows_.data() + rows_.size() - width_;
  }

  // Adds all rows, in order, to `totals` (width entries). Chunks must be added in order, too.
  void add_to(std::span<double> totals) const {
    for (std::size_t i = 0; i < rows_.size(); ++i) totals[i % width_] += rows_[i];
  }

 private:
  std::size_t width_;
  std::vector<double> rows_;
};

}  // namespace merganser::methods
