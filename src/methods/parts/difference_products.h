// Methods that first need the lengths of A - C and B - C and the angle between them: inputs A and
// B, base C, all as weights.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "method/merger.h"
#include "methods/parts/gram.h"

namespace merganser::methods {

template <class T>
class DifferenceProducts : public Merger<T> {
 public:
  std::optional<typename Merger<T>::Pass> next_pass() const final;
  std::unique_ptr<Partial> partial(std::size_t tensor) const final;
  void reduce(const Block<T>& block, Partial& partial) const final;
  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) final;
  void end_pass() final;

 protected:
  explicit DifferenceProducts(const MergeGroup& group) : products_(group.tensors.size(), Gram(2)) {}

  // In f64, of differences in T. 0 is A - C, 1 is B - C.
  const Gram& products(std::size_t tensor) const { return products_[tensor]; }

 private:
  std::vector<Gram> products_;
  bool reduced_ = false;
};

}  // namespace merganser::methods
