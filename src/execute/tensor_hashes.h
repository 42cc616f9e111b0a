// The hash of a tensor whose chunks are worked on by several threads: each chunk waits for its
// predecessor's turn. Chunks are handed out in order and a worker holds one at a time, so the
// predecessor is always being worked on; tensors do not wait for each other.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>

#include "base/hash.h"

namespace merganser {

class TensorHash {
 public:
  explicit TensorHash(HashKind kind) : hasher_(Hasher::make(kind)) {}

  // Blocks until all earlier chunks have been added. Throws Error(interrupted) when stopped.
  void add(std::size_t chunk, std::span<const std::byte> bytes, std::stop_token stop);
  // After the last chunk.
  std::string finish() { return hasher_->finish(); }

 private:
  std::unique_ptr<Hasher> hasher_;
  std::mutex mutex_;
  std::condition_variable_any turn_;
  std::size_t next_ = 0;
};

}  // namespace merganser
