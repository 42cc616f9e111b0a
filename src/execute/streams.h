// What every writing phase does with a job's bytes: read them, hash them in order, count what is
// not finite, and hand the output to the sink.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "execute/group.h"

namespace merganser {

class JobStreams {
 public:
  JobStreams(const RunContext& context, std::size_t job);

  std::size_t inputs() const { return inputs_.size(); }  // the base, if any, is the last one
  DType dtype(std::size_t input) const { return inputs_[input].dtype; }
  std::uint64_t size() const { return size_; }  // elements

  // Elements [first, first + count) of one input, into the workspace.
  std::span<const std::byte> read(std::size_t input, std::uint64_t first, std::size_t count,
                                  Workspace& workspace) const;
  // `inputs`: the same elements of what they were made of, the base last; or none.
  void write(std::uint64_t first, std::span<const std::byte> bytes,
             std::span<const std::span<const std::byte>> inputs);
  // Bits from element `first`, a multiple of 8, of what input `input` keeps.
  void write_mask(std::size_t input, std::size_t chunk, std::uint64_t first,
                  std::span<const std::byte> bytes);
  // Adds a chunk of the whole job to the hashes; every chunk once, after its write().
  void hash(std::size_t chunk, std::span<const std::span<const std::byte>> inputs,
            std::span<const std::byte> output);
  void count_non_finite(std::size_t input, std::uint64_t count);
  void count_non_finite_output(std::uint64_t count);
  // Hands hashes, counts and what the method tells of the merge to the report.
  void finish(std::vector<Fact> facts = {});

 private:
  struct Stream {
    PlanInput from;
    DType dtype;
    std::uint64_t bytes;               // that reading all of it takes from files
    std::unique_ptr<TensorHash> hash;  // null: not hashed, or by an earlier job
    std::atomic<std::uint64_t> non_finite{0};
    Stream(PlanInput f, DType d, std::uint64_t b) : from(f), dtype(d), bytes(b) {}
  };

  void refuse_non_finite(const std::string& where, const std::string& tensor,
                         std::uint64_t count) const;

  RunContext context_;
  std::size_t job_;
  std::uint64_t size_;
  std::deque<Stream> inputs_;  // a deque: streams do not move
  std::unique_ptr<TensorHash> output_hash_;
  std::vector<std::unique_ptr<TensorHash>> mask_hashes_;
  std::atomic<std::uint64_t> output_non_finite_{0};
};

}  // namespace merganser
