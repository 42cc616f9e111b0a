#include "methods/parts/sparsifier.h"

#include <algorithm>

#include "kernels/reduce.h"
#include "methods/parts/selections.h"

namespace merganser::methods {
namespace {

template <class T>
class KeepAll final : public Sparsifier<T> {
 public:
  bool drops(std::size_t) const override { return false; }
};

// Keeps a band of each input's magnitudes over the whole group.
template <class T>
class KeepBand final : public Sparsifier<T> {
 public:
  using Pass = typename Sparsifier<T>::Pass;
  using Findings = typename Selections<T>::Findings;
  using TiesLeft = typename Selections<T>::TiesLeft;

  KeepBand(const MergeGroup& group, const std::vector<Band>& bands) {
    std::vector<std::uint64_t> sizes;
    for (const MergeTensor& tensor : group.tensors) sizes.push_back(tensor.size);
    const std::uint64_t total = total_size(group);
    for (const Band& band : bands) {
      selections_.add({sizes, band.above + band.kept});
      selections_.add({sizes, band.above});
      cuts_.push_back(band.above != 0);
      drops_ |= band.kept < total;
    }
  }

  static std::uint64_t total_size(const MergeGroup& group) {
    std::uint64_t total = 0;
    for (const MergeTensor& tensor : group.tensors) total += tensor.size;
    return total;
  }

  std::optional<Pass> next_pass() const override { return selections_.next_pass(); }

  std::unique_ptr<Partial> partial(std::size_t) const override {
    return std::make_unique<Findings>(selections_);
  }

  void reduce(const Block<T>& block, Partial& partial) const override {
    for (std::size_t i = 0; i < selections_.size(); ++i) {
      selections_.look(i, block.inputs[i / 2], block.size, static_cast<Findings&>(partial));
    }
  }

  void fold(std::size_t tensor, std::span<const std::unique_ptr<Partial>> chunks) override {
    selections_.fold(tensor, chunks);
  }

  void end_pass() override { selections_.end_pass(); }

  bool drops(std::size_t) const override { return drops_; }

  std::unique_ptr<Cursor> cursor(std::size_t tensor, std::size_t chunk) const override {
    return selections_.cursor(tensor, chunk);
  }

  void apply(const Block<T>& block, Cursor* cursor) const override {
    auto& ties = static_cast<TiesLeft&>(*cursor);
    for (std::size_t i = 0; i < block.inputs.size(); ++i) {
      selections_.trim(2 * i, block.inputs[i], block.size, ties);
      // The top last: among equal magnitudes it is the first that go.
      if (cuts_[i]) selections_.trim_largest(2 * i + 1, block.inputs[i], block.size, ties);
    }
  }

 private:
  Selections<T> selections_;  // by input: down to the band's end, and what is above it
  std::vector<bool> cuts_;    // by input: whether anything is above
  bool drops_ = false;
};

}  // namespace

template <class T>
void Sparsifier<T>::norms(const Block<T>& block, Cursor* cursor, std::span<double> whole,
                          std::span<double> kept) const {
  for (std::size_t i = 0; i < block.inputs.size(); ++i) {
    whole[i] = sum_abs<T>(block.inputs[i], block.size);
  }
  apply(block, cursor);
  for (std::size_t i = 0; i < block.inputs.size(); ++i) {
    kept[i] = sum_abs<T>(block.inputs[i], block.size);
  }
}

template class Sparsifier<float>;
template class Sparsifier<double>;

template <class T>
std::unique_ptr<Sparsifier<T>> keep_all() {
  return std::make_unique<KeepAll<T>>();
}

template <class T>
std::unique_ptr<Sparsifier<T>> trim_by_magnitude(const MergeGroup& group) {
  std::vector<Band> bands;
  for (const double density : group.tensors[0].settings.numbers("density")) {
    bands.push_back({0, kept_elements(density, KeepBand<T>::total_size(group))});
  }
  return std::make_unique<KeepBand<T>>(group, bands);
}

template <class T>
std::unique_ptr<Sparsifier<T>> trim_both_tails(const MergeGroup& group) {
  const MergeTensor& tensor = group.tensors[0];
  std::vector<Band> bands;
  for (std::size_t i = 0; i < tensor.settings.per_input.size(); ++i) {
    bands.push_back(kept_band(tensor.settings.number("density", i),
                              tensor.settings.number("gamma", i), tensor.size));
  }
  return std::make_unique<KeepBand<T>>(group, bands);
}

template std::unique_ptr<Sparsifier<float>> keep_all();
template std::unique_ptr<Sparsifier<double>> keep_all();
template std::unique_ptr<Sparsifier<float>> trim_by_magnitude(const MergeGroup&);
template std::unique_ptr<Sparsifier<double>> trim_by_magnitude(const MergeGroup&);
template std::unique_ptr<Sparsifier<float>> trim_both_tails(const MergeGroup&);
template std::unique_ptr<Sparsifier<double>> trim_both_tails(const MergeGroup&);

}  // namespace merganser::methods
