// The factors of an adapter's modules in working precision, brought to one form: a product of
// [rows, rank] and [rank, columns] that is added to the weight as it is stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "adapter/adapter.h"
#include "kernels/low_rank.h"

namespace merganser {

template <class T>
struct Factors {
  std::vector<T> left, right;  // [rows, rank], [rank, columns]
  std::size_t rank = 0, rows = 0, columns = 0;

  LowRankProduct<T> product(double scale) const {
    return {left.data(), right.data(), rank, columns, static_cast<T>(scale)};
  }
};

// A tensor of floats, widened. double takes every type, float all but f64.
template <class T>
std::vector<T> read_floats(const Checkpoint& weights, std::size_t tensor);

// Loaded when first asked for, the least recently used dropped beyond `limit` bytes. Who holds one
// keeps it alive. Thread-safe: a module is loaded by the first thread that needs it, while others
// that need it wait.
template <class T>
class FactorCache {
 public:
  FactorCache(const Adapter& adapter, std::uint64_t limit) : adapter_(adapter), limit_(limit) {}

  // `transposed`: of a linear module's weight, [in, out]. The same at every call for a module.
  std::shared_ptr<const Factors<T>> get(std::size_t module, bool transposed);

 private:
  struct Slot {
    std::mutex mutex;  // of the factors
    std::shared_ptr<const Factors<T>> factors;
    std::list<std::size_t>::iterator recent;
  };

  std::shared_ptr<Slot> slot(std::size_t module);

  const Adapter& adapter_;
  const std::uint64_t limit_;
  std::mutex mutex_;  // of what follows
  std::map<std::size_t, std::shared_ptr<Slot>> slots_;
  std::list<std::size_t> recent_;  // the latest first
  std::uint64_t bytes_ = 0;
};

// Of a module's factors in memory, with `width` bytes an element.
std::uint64_t factor_bytes(const AdapterModule& module, std::size_t width);

}  // namespace merganser
