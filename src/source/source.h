// Where tensors come from: headers at once, bytes on demand. A source can be read again, so methods
// that make several passes work on all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/tensor_info.h"
#include "checkpoint/checkpoint.h"

namespace merganser {

class Source {
 public:
  virtual ~Source() = default;
  virtual std::string label() const = 0;                       // for errors and the plan
  virtual const std::vector<TensorInfo>& headers() const = 0;  // sorted by name
  // Fills `out` with the bytes of a tensor from byte `begin`, of the elements that read_dtype()
  // says. Thread-safe.
  virtual void read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const = 0;

  // What read() delivers. Where the values are computed, it is wider than the header's type, which
  // is the one that they would be stored in: they are rounded once, after the merge.
  virtual DType read_dtype(std::size_t tensor) const { return headers()[tensor].dtype; }
  // Bytes that reading a tensor once takes from files, at most.
  virtual std::uint64_t bytes_to_read(std::size_t tensor) const {
    return headers()[tensor].bytes();
  }
  // Private memory for reads by this many threads, at most, beside what they fill.
  virtual std::uint64_t memory(unsigned /*threads*/) const { return 0; }
};

class FileSource final : public Source {
 public:
  explicit FileSource(Checkpoint checkpoint);
  std::string label() const override { return checkpoint_.path().string(); }
  const std::vector<TensorInfo>& headers() const override { return headers_; }
  void read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const override;
  const Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  Checkpoint checkpoint_;
  std::vector<TensorInfo> headers_;
};

// Tensors held in memory: tests, and models that a search tries without writing them.
class MemorySource final : public Source {
 public:
  explicit MemorySource(std::string label) : label_(std::move(label)) {}
  void add(TensorInfo info, std::vector<std::byte> bytes);  // in any order
  std::string label() const override { return label_; }
  const std::vector<TensorInfo>& headers() const override { return headers_; }
  void read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const override;

 private:
  std::string label_;
  std::vector<TensorInfo> headers_;
  std::vector<std::vector<std::byte>> bytes_;
};

}  // namespace merganser
