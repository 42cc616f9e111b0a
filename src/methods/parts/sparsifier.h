// How task vectors lose entries before they are added: not at all, by magnitude (TIES,
// Breadcrumbs), at random (DARE), at random by magnitude (DELLA). A sparsifier works on all inputs
// of a group and may ask for passes of its own.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "method/merger.h"

namespace merganser::methods {

template <class T>
class Sparsifier {
 public:
  using Pass = typename Merger<T>::Pass;
  virtual ~Sparsifier() = default;

  // As in Merger.
  virtual std::optional<Pass> next_pass() const { return std::nullopt; }
  virtual std::unique_ptr<Partial> partial(std::size_t /*tensor*/) const { return nullptr; }
  virtual void reduce(const Block<T>&, Partial&) const {}
  virtual void fold(std::size_t /*tensor*/, std::span<const std::unique_ptr<Partial>>) {}
  virtual void end_pass() {}

  // Zeroes what is dropped, in place. The cursor is that of the block's chunk.
  virtual std::unique_ptr<Cursor> cursor(std::size_t /*tensor*/, std::size_t /*chunk*/) const {
    return nullptr;
  }
  virtual void apply(const Block<T>&, Cursor*) const {}
  // The L1 norms of each input of the block before and after apply(); the inputs may be spoilt.
  virtual void norms(const Block<T>& block, Cursor* cursor, std::span<double> whole,
                     std::span<double> kept) const;
  // False where apply() leaves this tensor's inputs whole.
  virtual bool drops(std::size_t /*tensor*/) const { return true; }
};

// Keeps everything.
template <class T>
std::unique_ptr<Sparsifier<T>> keep_all();

// Keeps the `density` share of largest magnitudes of each input over the whole group: one tensor,
// or the whole model (densities must then not vary by tensor; the first tensor's is taken, and all
// tensors must have all inputs). TIES, Yadav et al. 2023, "trim".
template <class T>
std::unique_ptr<Sparsifier<T>> trim_by_magnitude(const MergeGroup& group);

// Drops the `gamma` share of largest magnitudes of each input and keeps the `density` share below
// them. The group is one tensor. Model Breadcrumbs, Davari and Belilovsky 2023. Equal magnitudes
// count as the larger the lower their index, as in trim_by_magnitude().
template <class T>
std::unique_ptr<Sparsifier<T>> trim_both_tails(const MergeGroup& group);

// Keeps each element with probability `density`, by the stream (seed, tensor name, model number).
// DARE, Yu et al. 2023. The layout of the streams is in docs/numerics.md. `again`: apply() will be
// called in more than one pass, so drawn masks are worth keeping.
template <class T>
std::unique_ptr<Sparsifier<T>> drop_at_random(const MergeGroup& group, bool again);

enum class Compensation {
  none,
  inverse,  // what is kept is divided by its own probability
};

// Keeps the entry of magnitude rank r = 1..n of a row, a row being of the last axis, with
// probability density - epsilon + 2 epsilon (r - 1) / (n - 1): by the same streams, hence for
// epsilon = 0 what drop_at_random() keeps. Density 0 and 1 are exempt. DELLA, Deep et al. 2024.
// For blocks of whole rows.
template <class T>
std::unique_ptr<Sparsifier<T>> drop_by_rank(const MergeGroup& group, bool again, Compensation);

}  // namespace merganser::methods
