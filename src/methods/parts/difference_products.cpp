#include "methods/parts/difference_products.h"

#include <array>

#include "kernels/blend.h"
#include "methods/parts/add_to_first.h"
#include "methods/parts/block_sums.h"

namespace merganser::methods {

template <class T>
std::optional<typename Merger<T>::Pass> DifferenceProducts<T>::next_pass() const {
  if (reduced_) return std::nullopt;
  return Merger<T>::Pass::full;
}

template <class T>
std::unique_ptr<Partial> DifferenceProducts<T>::partial(std::size_t) const {
  return std::make_unique<BlockSums>(Gram::entries(2));
}

template <class T>
void DifferenceProducts<T>::reduce(const Block<T>& block, Partial& partial) const {
  T *a = block.inputs[kA], *b = block.inputs[kB];
  subtract<T>(a, block.base, a, block.size);
  subtract<T>(b, block.base, b, block.size);
  double* row = static_cast<BlockSums&>(partial).append();
  inner_products<T>(std::array<const T*, 2>{a, b}, block.size, {row, Gram::entries(2)});
}

template <class T>
void DifferenceProducts<T>::fold(std::size_t tensor,
                                 std::span<const std::unique_ptr<Partial>> chunks) {
  for (const auto& chunk : chunks) {
    static_cast<const BlockSums&>(*chunk).add_to(products_[tensor].packed());
  }
}

template <class T>
void DifferenceProducts<T>::end_pass() {
  reduced_ = true;
}

template class DifferenceProducts<float>;
template class DifferenceProducts<double>;

}  // namespace merganser::methods
