// Methods whose result is a combination of their inputs, with coefficients that depend only on
// lengths and angles: one pass takes the inner products of all pairs in f64, whatever is iterated
// then works on that matrix of a few numbers, and one pass writes the combination.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "method/merger.h"

namespace merganser::methods {

// Inner products of all pairs of a few vectors.
class Gram {
 public:
  explicit Gram(std::size_t vectors = 0) : vectors_(vectors), entries_(entries(vectors)) {}

  static std::size_t entries(std::size_t vectors) { return vectors * (vectors + 1) / 2; }

  std::size_t size() const { return vectors_; }
  double operator()(std::size_t i, std::size_t j) const {
    return i < j ? entries_[entries(j) + i] : entries_[entries(i) + j];
  }
  double norm(std::size_t i) const { return std::sqrt((*this)(i, i)); }
  // Of vector i and sum_j c_j x_j.
  double dot(std::size_t i, std::span<const double> c) const;
  // Of sum_i c_i x_i. Terms that cancel leave an error of 1e-16 of the largest, so 1e-8 of its
  // length.
  double norm(std::span<const double> c) const;

  // By rows of the lower triangle: (0,0), (1,0), (1,1), (2,0)...
  std::span<double> packed() { return entries_; }

 private:
  std::size_t vectors_;
  std::vector<double> entries_;
};

// Inner products of vectors of n elements, in the order of Gram::packed().
template <class T>
void inner_products(std::span<const T* const> x, std::size_t n, std::span<double> packed);

// `coefficients` decides; the rest of the course is here.
template <class T>
class GramMerger : public Merger<T> {
 public:
  std::optional<typename Merger<T>::Pass> next_pass() const final;
  std::unique_ptr<Partial> partial(std::size_t tensor) const final;
  void reduce(const Block<T>& block, Partial& partial) const final;
  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) final;
  void end_pass() final;
  void write(const Block<T>& block, Cursor*, T* out) const final;

 protected:
  enum class Base {
    origin,  // where there is one, it is added to the combination of the deltas
    vector,  // the first of the vectors
  };

  // whole_model: the vectors are those of all tensors together.
  explicit GramMerger(const MergeGroup& group, Base base = Base::origin, bool whole_model = false);

  // One for each vector. They are rounded once, to T.
  virtual std::vector<double> coefficients(std::size_t tensor, const Gram& gram) = 0;

 private:
  Base base_;
  bool whole_model_;
  bool reduced_ = false;
  std::vector<Gram> grams_;
  std::vector<std::vector<T>> coefficients_;
};

}  // namespace merganser::methods
