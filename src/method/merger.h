// The work of a merge method: reduction passes over chunks, then one elementwise pass.
//
// A Merger lives for one group of output tensors: a single tensor, or all tensors of the recipe
// where the method's scope is the whole model. The engine cuts each tensor into chunks and feeds
// the chunk's blocks in order; it knows nothing of the method, the method nothing of files.
//
// Contract for equal bytes whatever the threads, chunk size and budget:
//  - blocks lie on a fixed grid (kBlock elements from the tensor's start; the last may be shorter),
//  - sums are taken a block at a time and folded in index order (fold()), never chunk by chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/tensor_info.h"
#include "method/settings.h"

namespace merganser {

inline constexpr std::size_t kBlock = 2048;  // elements; a power of two, see above

// T is the working type: float, or double where an input of the group is stored in f64.
template <class T>
struct Block {
  std::size_t tensor = 0;   // index in the group
  std::size_t chunk = 0;    // index in the tensor
  std::uint64_t first = 0;  // offset of the block's first element in its tensor
  std::size_t size = 0;     // <= kBlock
  const T* base = nullptr;  // the base's weights; null where the method takes no base
  // Weights, or deltas from the base, by the descriptor's InputSpace. Scratch: may be overwritten.
  std::span<T* const> inputs;
};

// What a chunk contributes to a reduction pass. Made, filled and folded by the method.
class Partial {
 public:
  virtual ~Partial() = default;
};

// What write() remembers from one block of a chunk to the next (most methods: nothing).
class Cursor {
 public:
  virtual ~Cursor() = default;
};

struct MergeTensor {
  std::string name;  // output name
  Shape shape;
  std::uint64_t size = 0;
  Settings settings;                // of the inputs that are read; others were left out before
  std::vector<std::size_t> models;  // each input's place among the listed: keys random streams
};

struct MergeGroup {
  std::vector<MergeTensor> tensors;
  std::uint64_t seed = 0;
};

template <class T>
class Merger {
 public:
  enum class Pass {
    sample,  // a few blocks spread over each tensor, as one chunk: for a first guess only
    full,    // every block
  };

  virtual ~Merger() = default;

  // What the next reduction reads; none: ready to write. Asked again after each end_pass().
  virtual std::optional<Pass> next_pass() const { return std::nullopt; }

  // Thread-safe: called at once for different chunks.
  virtual std::unique_ptr<Partial> partial(std::size_t /*tensor*/) const { return nullptr; }
  virtual void reduce(const Block<T>&, Partial&) const {}

  // All chunks of one tensor, in order. At once only for different tensors.
  virtual void fold(std::size_t /*tensor*/, std::span<const std::unique_ptr<Partial>>) {}
  // After the last tensor's fold(); alone.
  virtual void end_pass() {}

  // Thread-safe. `out` holds block.size elements in weight space.
  virtual std::unique_ptr<Cursor> cursor(std::size_t /*tensor*/, std::size_t /*chunk*/) const {
    return nullptr;
  }
  virtual void write(const Block<T>&, Cursor*, T* out) const = 0;
};

}  // namespace merganser
