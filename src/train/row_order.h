// The rows of a task in the order that training takes them: a shuffle of all, then another, without
// end. A function of the seed, the task's name and the epoch alone.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

namespace merganser::rt {

class RowOrder {
 public:
  RowOrder(std::uint64_t seed, const std::string& task, std::int64_t rows);
  at::Tensor next(std::int64_t count);  // int64 [count]

 private:
  void shuffle();

  std::uint64_t seed_, stream_;
  std::uint32_t epoch_ = 0;
  std::vector<std::int64_t> order_;
  std::size_t taken_ = 0;
};

}  // namespace merganser::rt
