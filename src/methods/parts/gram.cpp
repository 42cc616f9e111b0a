#include "methods/parts/gram.h"

#include <algorithm>

#include "kernels/blend.h"
#include "kernels/reduce.h"
#include "methods/parts/block_sums.h"

namespace merganser::methods {

double Gram::dot(std::size_t i, std::span<const double> c) const {
  double sum = 0;
  for (std::size_t j = 0; j < vectors_; ++j) sum += c[j] * (*this)(i, j);
  return sum;
}

double Gram::norm(std::span<const double> c) const {
  double sum = 0;
  for (std::size_t i = 0; i < vectors_; ++i) sum += c[i] * dot(i, c);
  return sum > 0 ? std::sqrt(sum) : 0;
}

template <class T>
void inner_products(std::span<const T* const> x, std::size_t n, std::span<double> packed) {
  std::size_t entry = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) packed[entry++] = dot<T>(x[i], x[j], n);
  }
}

template <class T>
GramMerger<T>::GramMerger(const MergeGroup& group, Base base, bool whole_model)
    : base_(base), whole_model_(whole_model), coefficients_(group.tensors.size()) {
  for (const MergeTensor& tensor : group.tensors) {
    grams_.emplace_back(tensor.settings.per_input.size() + (base_ == Base::vector ? 1 : 0));
  }
}

template <class T>
std::optional<typename Merger<T>::Pass> GramMerger<T>::next_pass() const {
  if (reduced_) return std::nullopt;
  return Merger<T>::Pass::full;
}

template <class T>
std::unique_ptr<Partial> GramMerger<T>::partial(std::size_t tensor) const {
  return std::make_unique<BlockSums>(Gram::entries(grams_[tensor].size()));
}

template <class T>
void GramMerger<T>::reduce(const Block<T>& block, Partial& partial) const {
  const std::size_t vectors = grams_[block.tensor].size();
  std::vector<const T*> x;
  x.reserve(vectors);
  if (base_ == Base::vector) x.push_back(block.base);
  x.insert(x.end(), block.inputs.begin(), block.inputs.end());
  double* row = static_cast<BlockSums&>(partial).append();
  inner_products<T>(x, block.size, {row, Gram::entries(vectors)});
}

template <class T>
void GramMerger<T>::fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) {
  for (const auto& chunk : chunks) {
    static_cast<const BlockSums&>(*chunk).add_to(grams_[tensor].packed());
  }
}

template <class T>
void GramMerger<T>::end_pass() {
  if (whole_model_) {
    Gram all = grams_[0];
    for (std::size_t i = 1; i < grams_.size(); ++i) {
      const auto more = grams_[i].packed();
      std::transform(more.begin(), more.end(), all.packed().begin(), all.packed().begin(),
                     std::plus<>());
    }
    std::fill(grams_.begin(), grams_.end(), all);
  }
  for (std::size_t i = 0; i < grams_.size(); ++i) {
    const std::vector<double> exact = coefficients(i, grams_[i]);
    coefficients_[i].assign(exact.begin(), exact.end());
  }
  reduced_ = true;
}

template <class T>
void GramMerger<T>::write(const Block<T>& block, Cursor*, T* out) const {
  std::span<const T> factors = coefficients_[block.tensor];
  if (base_ == Base::vector) {
    scale<T>(factors[0], block.base, out, block.size);
    for (std::size_t i = 0; i < block.inputs.size(); ++i) {
      add_scaled<T>(factors[i + 1], block.inputs[i], out, block.size);
    }
    return;
  }
  combine<T>(factors, block.inputs, out, block.size);
  if (block.base != nullptr) add<T>(block.base, out, out, block.size);
}

template void inner_products(std::span<const float* const>, std::size_t, std::span<double>);
template void inner_products(std::span<const double* const>, std::size_t, std::span<double>);
template class GramMerger<float>;
template class GramMerger<double>;

}  // namespace merganser::methods
