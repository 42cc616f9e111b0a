#include "methods/parts/stacked_vectors.h"

#include <algorithm>
#include <cassert>

#include "linalg/polar.h"

namespace merganser::methods {

template <class T>
StackedVectors<T>::StackedVectors(std::size_t rows, std::size_t cols, std::size_t most)
    : left_(most, rows), right_(most, cols) {}

template <class T>
void StackedVectors<T>::add(const Svd<T>& svd, std::size_t count) {
  const std::size_t first = values_.size();
  assert(count <= svd.rank() && first + count <= left_.rows());
  if (count == 0) return;
  std::copy_n(svd.ut.data(), count * left_.cols(), left_.row(first));
  std::copy_n(svd.vt.data(), count * right_.cols(), right_.row(first));
  values_.insert(values_.end(), svd.s.begin(), svd.s.begin() + static_cast<std::ptrdiff_t>(count));
}

template <class T>
void StackedVectors<T>::orthogonalise() {
  make_polar_factor<T>(left());
  make_polar_factor<T>(right());
}

template class StackedVectors<float>;
template class StackedVectors<double>;

}  // namespace merganser::methods
