#include "adapter/factors.h"

#include <algorithm>
#include <span>
#include <utility>

#include "kernels/convert.h"

namespace merganser {
namespace {

template <class T>
std::vector<T> transpose(const std::vector<T>& matrix, std::size_t rows, std::size_t columns) {
  constexpr std::size_t kTile = 32;
  std::vector<T> turned(matrix.size());
  for (std::size_t r0 = 0; r0 < rows; r0 += kTile) {
    for (std::size_t c0 = 0; c0 < columns; c0 += kTile) {
      for (std::size_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
        for (std::size_t c = c0; c < std::min(columns, c0 + kTile); ++c) {
          turned[c * rows + r] = matrix[r * columns + c];
        }
      }
    }
  }
  return turned;
}

template <class T>
Factors<T> load(const Adapter& adapter, const AdapterModule& module, bool transposed) {
  Factors<T> factors;
  factors.rank = module.rank;
  std::vector<T> a = read_floats<T>(adapter.weights(), module.a);  // [rank, inner]
  std::vector<T> b = read_floats<T>(adapter.weights(), module.b);  // [outer, rank]
  const std::size_t inner = a.size() / module.rank, outer = b.size() / module.rank;
  // An embedding's weight [vocab, dim] is the transpose of B A, as a transposed linear's.
  if (module.kind == AdapterModule::Kind::embedding || transposed) {
    factors.left = transpose(a, module.rank, inner);
    factors.right = transpose(b, outer, module.rank);
    factors.rows = inner;
    factors.columns = outer;
  } else {
    factors.left = std::move(b);
    factors.right = std::move(a);
    factors.rows = outer;
    factors.columns = inner;
  }
  return factors;
}

}  // namespace

template <class T>
std::vector<T> read_floats(const Checkpoint& weights, std::size_t tensor) {
  const StoredTensor& stored = weights.tensors()[tensor];
  constexpr std::size_t kPiece = std::size_t{1} << 16;  // elements
  const std::size_t width = size_of(stored.info.dtype);
  std::vector<T> values(stored.info.size());
  std::vector<std::byte> bytes(std::min(kPiece, values.size()) * width);
  for (std::size_t at = 0; at < values.size(); at += kPiece) {
    const std::size_t count = std::min(kPiece, values.size() - at);
    weights.read(stored, at * width, std::span(bytes).first(count * width));
    widen(stored.info.dtype, bytes.data(), values.data() + at, count);
  }
  return values;
}

template <class T>
std::shared_ptr<typename FactorCache<T>::Slot> FactorCache<T>::slot(std::size_t module) {
  const auto bytes_of = [&](std::size_t index) {
    return factor_bytes(adapter_.modules()[index], sizeof(T));
  };
  std::lock_guard lock(mutex_);
  std::shared_ptr<Slot>& slot = slots_[module];
  if (slot) {
    recent_.splice(recent_.begin(), recent_, slot->recent);
    return slot;
  }
  slot = std::make_shared<Slot>();
  recent_.push_front(module);
  slot->recent = recent_.begin();
  bytes_ += bytes_of(module);
  const std::shared_ptr<Slot> found = slot;
  while (bytes_ > limit_ && recent_.size() > 1) {
    const std::size_t oldest = recent_.back();
    recent_.pop_back();
    slots_.erase(oldest);
    bytes_ -= bytes_of(oldest);
  }
  return found;
}

template <class T>
std::shared_ptr<const Factors<T>> FactorCache<T>::get(std::size_t module, bool transposed) {
  const std::shared_ptr<Slot> own = slot(module);
  std::lock_guard lock(own->mutex);
  if (!own->factors) {
    own->factors = std::make_shared<const Factors<T>>(
        load<T>(adapter_, adapter_.modules()[module], transposed));
  }
  return own->factors;
}

std::uint64_t factor_bytes(const AdapterModule& module, std::size_t width) {
  std::uint64_t inner = 1;
  for (std::size_t i = 1; i < module.shape.size(); ++i) inner *= module.shape[i];
  return (module.shape[0] + inner) * module.rank * width;
}

template std::vector<float> read_floats(const Checkpoint&, std::size_t);
template std::vector<double> read_floats(const Checkpoint&, std::size_t);
template class FactorCache<float>;
template class FactorCache<double>;

}  // namespace merganser
