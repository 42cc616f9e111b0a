// Where merged tensors go. The engine knows this interface, not files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "checkpoint/shards.h"
#include "plan/plan.h"
#include "source/source.h"

namespace merganser {

class Sink {
 public:
  virtual ~Sink() = default;
  // Bytes of the job's output from byte `begin`. Thread-safe for disjoint ranges.
  virtual void write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) = 0;
  // The same for one of Plan::masks; dropped where nobody wants them.
  virtual void write_mask(std::size_t /*mask*/, std::uint64_t /*begin*/,
                          std::span<const std::byte> /*bytes*/) {}
};

// For merges that are only hashed.
class NullSink final : public Sink {
 public:
  void write(std::size_t, std::uint64_t, std::span<const std::byte>) override {}
};

class FolderSink final : public Sink {
 public:
  FolderSink(const Plan& plan, const std::filesystem::path& folder) : writer_(plan.shards, folder) {
    if (!plan.masks.empty()) masks_.emplace(plan.mask_shards, folder);
  }
  void write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) override {
    writer_.write(job, begin, bytes);
  }
  void write_mask(std::size_t mask, std::uint64_t begin,
                  std::span<const std::byte> bytes) override {
    masks_->write(mask, begin, bytes);
  }
  void sync() {
    writer_.sync();
    if (masks_) masks_->sync();
  }

 private:
  ShardWriter writer_;
  std::optional<ShardWriter> masks_;
};

// Keeps the outputs in memory, to be read as a Source: evaluation without a way through the disk.
class MemorySink final : public Sink {
 public:
  explicit MemorySink(const Plan& plan);
  void write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) override;
  MemorySource take(std::string label);

 private:
  std::vector<TensorInfo> infos_;
  std::vector<std::vector<std::byte>> bytes_;
};

}  // namespace merganser
