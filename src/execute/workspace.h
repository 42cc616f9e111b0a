// A worker's buffers: stored bytes of one chunk of every input, and the working blocks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "method/merger.h"

namespace merganser {

class Buffer {
 public:
  // At least `bytes`, aligned for any vector; contents are lost when it grows.
  std::span<std::byte> get(std::size_t bytes) {
    if (bytes > size_) {
      const std::size_t rounded = (bytes + 4095) / 4096 * 4096;
      data_.reset(static_cast<std::byte*>(std::aligned_alloc(4096, rounded)));
      if (!data_) throw std::bad_alloc();
      size_ = rounded;
    }
    return {data_.get(), bytes};
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

class Workspace {
 public:
  Buffer& stored(std::size_t input) {
    if (input >= stored_.size()) stored_.resize(input + 1);
    return stored_[input];
  }
  Buffer& output() { return output_; }
  Buffer& mask(std::size_t input) {
    if (input >= masks_.size()) masks_.resize(input + 1);
    return masks_[input];
  }

  // Working block number `index` in the working type.
  template <class T>
  T* block(std::size_t index, std::size_t size = kBlock) {
    if (index >= blocks_.size()) blocks_.resize(index + 1);
    const std::size_t bytes = std::max(size, kBlock) * sizeof(T);
    return reinterpret_cast<T*>(blocks_[index].get(bytes).data());
  }

  // Gives all memory back: after a whole tensor.
  void release() { *this = Workspace(); }

 private:
  std::vector<Buffer> stored_, blocks_, masks_;
  Buffer output_;
};

}  // namespace merganser
