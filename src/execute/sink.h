// Where merged tensors go. The engine knows this interface, not files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "execute/job_record.h"
#include "plan/plan.h"
#include "source/source.h"

namespace merganser {

class Sink {
 public:
  virtual ~Sink() = default;
  // Bytes of the job's output from byte `begin`. Thread-safe for disjoint ranges.
  virtual void write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) = 0;
  // The same, by whoever has at hand what the bytes were made of: the same elements of PlanJob's
  // inputs, as they were read, the base last. Empty where that is not so.
  virtual void write_from(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes,
                          std::span<const std::span<const std::byte>> /*inputs*/) {
    write(job, begin, bytes);
  }
  // As write(), for one of Plan::masks; dropped where nobody wants them.
  virtual void write_mask(std::size_t /*mask*/, std::uint64_t /*begin*/,
                          std::span<const std::byte> /*bytes*/) {}
  // All of the job's output and masks are written. Thread-safe.
  virtual void finish(const JobRecord& /*record*/) {}
};

// For merges that are only hashed.
class NullSink final : public Sink {
 public:
  void write(std::size_t, std::uint64_t, std::span<const std::byte>) override {}
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
