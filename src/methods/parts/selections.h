// Several selections over the same tensors that make their passes together, of inputs or of numbers
// computed from a block.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "methods/parts/magnitude_selection.h"

namespace merganser::methods {

template <class T>
class Selections {
 public:
  using Pass = typename Merger<T>::Pass;
  using Selection = MagnitudeSelection<T>;

  // What one chunk found, by selection. A method may add its own findings.
  struct Findings : Partial {
    explicit Findings(const Selections& selections) : found(selections.size()) {}
    std::vector<typename Selection::Found> found;
  };

  void add(Selection selection) { all_.push_back(std::move(selection)); }
  std::size_t size() const { return all_.size(); }
  Selection& operator[](std::size_t i) { return all_[i]; }
  const Selection& operator[](std::size_t i) const { return all_[i]; }

  // A sample first, then full passes until the last one is settled.
  std::optional<Pass> next_pass() const {
    std::optional<Pass> wanted;
    for (const Selection& selection : all_) {
      const auto pass = selection.next_pass();
      if (pass == Pass::full) return pass;
      if (pass) wanted = pass;
    }
    return wanted;
  }

  // For each selection, the numbers that it selects from.
  void look(std::size_t i, const T* x, std::size_t size, Findings& findings) const {
    if (all_[i].next_pass()) all_[i].look(x, size, findings.found[i]);
  }

  // The chunks' partials must be Findings.
  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!all_[i].next_pass()) continue;
      std::vector<typename Selection::Found> found;
      for (const auto& chunk : chunks) {
        found.push_back(std::move(static_cast<Findings&>(*chunk).found[i]));
      }
      all_[i].fold(tensor, std::move(found));
    }
  }

  void end_pass() {
    for (Selection& selection : all_) selection.end_pass();
  }

  // How many ties of a chunk may still be kept, by selection.
  struct TiesLeft final : Cursor {
    std::vector<std::size_t> left;
  };
  std::unique_ptr<TiesLeft> cursor(std::size_t tensor, std::size_t chunk) const {
    auto cursor = std::make_unique<TiesLeft>();
    for (const Selection& selection : all_) {
      cursor->left.push_back(selection.ties_kept(tensor, chunk));
    }
    return cursor;
  }

  // Zeroes what selection i does not keep, or what it keeps; the blocks of a chunk in order.
  void trim(std::size_t i, T* x, std::size_t size, TiesLeft& ties) const {
    apply(merganser::trim<T>, i, x, size, ties);
  }
  void trim_largest(std::size_t i, T* x, std::size_t size, TiesLeft& ties) const {
    apply(merganser::trim_largest<T>, i, x, size, ties);
  }

 private:
  template <class Trim>
  void apply(Trim zero, std::size_t i, T* x, std::size_t size, TiesLeft& ties) const {
    std::size_t& left = ties.left[i];
    left -= std::min(left, zero(x, size, all_[i].threshold(), left));
  }

  std::vector<Selection> all_;
};

}  // namespace merganser::methods
