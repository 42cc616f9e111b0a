// The work of a merge method: reduction passes over chunks, then one elementwise pass.
//
// A Merger lives for one group of output tensors: a single tensor, or all tensors of the recipe
// where the method's scope is the whole model. The engine cuts each tensor into chunks and feeds
// the chunk's blocks in order; it knows nothing of the method, the method nothing of files.
//
// Contract for equal bytes whatever the threads, chunk size and budget:
//  - blocks lie on a fixed grid (block_size() elements from the tensor's start; the last may be
//    shorter),
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

inline constexpr std::size_t kBlock = 2048;  // elements; a power of two

// What a block holds at least: how much of a tensor a method must see at once.
enum class Unit {
  element,  // anything: blocks are cut by a fixed grid
  row,      // whole rows of the last axis; a tensor of one axis is one row
  tensor,   // everything: one block, one tensor at a time (BLAS then has all threads)
};

// Elements of a block; the tensor's last one may be shorter. At least 1.
std::size_t block_size(Unit unit, const Shape& shape);
// Elements of a row: the last axis. 1 for a scalar.
std::size_t row_size(const Shape& shape);

// T is the working type: float, or double where an input of the group is stored in f64.
template <class T>
struct Block {
  std::size_t tensor = 0;   // index in the group
  std::size_t chunk = 0;    // index in the tensor
  std::uint64_t first = 0;  // offset of the block's first element in its tensor
  std::size_t size = 0;     // <= block_size() of its tensor
  const T* base = nullptr;  // the base's weights; null where the method takes or is given none
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
  bool has_base = false;            // of the methods that can do without
  bool vocabulary = false;          // its rows are tokens: an embedding or an output head
};

// Facts of methods with task masks: what the model's own task vector weighs, and what the unified
// one does under its mask. Their sums over all tensors give the model's scale.
inline constexpr const char* kTaskMass = "task_mass";
inline constexpr const char* kUnifiedMass = "unified_mass";

// A number that explains a tensor's merge (an angle, a threshold, a ratio), or one for each input.
struct Fact {
  std::string name;
  std::vector<double> values;
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

  // Of methods with task masks, before write() of the same block: bit i % 8 of byte i / 8 of
  // bits[k] says whether input k keeps element i of the block.
  virtual void masks(const Block<T>&, std::span<std::uint8_t* const> /*bits*/) const {}

  // After all passes; alone. They are written into the output's provenance.
  virtual std::vector<Fact> facts(std::size_t /*tensor*/) const { return {}; }
};

}  // namespace merganser
