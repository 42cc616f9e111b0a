// The k-th largest magnitude of a stream, exactly, in bounded memory, in as few passes as possible.
// The stream is an input, or any number that a method computes from a block.
//
// A sample brackets the k-th magnitude; one full pass counts what lies above and collects what lies
// inside the bracket (about 2 % of the elements), which settles it. A bracket that missed, or holds
// too much, is narrowed by histograms over the bits of the magnitude, kBins at a time. The sample
// decides only how many passes are made, never the result.
//
// Exact ties go to the lowest index: the result names the chunk in which the kept ones end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/select.h"
#include "method/merger.h"

namespace merganser::methods {

template <class T>
class MagnitudeSelection {
 public:
  using Pass = typename Merger<T>::Pass;
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

  // What one chunk found.
  struct Found {
    BracketCounts<T> counts;
    std::vector<T> inside;            // magnitudes: the sample, or those inside the bracket
    std::vector<std::uint64_t> bins;  // narrowing passes only
    bool overflow = false;
  };

  // What passes may keep in memory; they decide only how many passes are made.
  struct Limits {
    // Collected magnitudes of one selection: 16 MiB of f32 at most; where more are expected the
    // bracket is narrowed first.
    std::uint64_t collected = std::uint64_t{1} << 22;
    // What a single chunk may collect. Beyond it the bracket was a bad guess and the pass is lost.
    std::size_t collected_in_chunk = std::size_t{1} << 15;
  };

  // sizes: elements of each tensor. keep: how many of all of them.
  MagnitudeSelection(std::vector<std::uint64_t> sizes, std::uint64_t keep)
      : MagnitudeSelection(std::move(sizes), keep, Limits()) {}
  MagnitudeSelection(std::vector<std::uint64_t> sizes, std::uint64_t keep, Limits limits);

  // Where only the passes tell how many: after each, before end_pass(). After the sample a guess
  // between 0 and all, after a full pass the number.
  void set_keep(std::uint64_t keep);

  std::optional<Pass> next_pass() const;
  void look(const T* x, std::size_t size, Found& found) const;
  void fold(std::size_t tensor, std::vector<Found> chunks);
  void end_pass();

  T threshold() const { return threshold_; }
  // How many elements of the chunk whose magnitude equals the threshold are kept.
  std::size_t ties_kept(std::size_t tensor, std::size_t chunk) const;

 private:
  enum class Stage { sample, narrow, collect, done };

  // Of one tensor in the current pass.
  struct Tally {
    std::uint64_t above = 0;
    bool overflow = false;
    std::vector<std::uint64_t> bins;
    struct Chunk {
      std::uint64_t at_low = 0, at_high = 0;
      std::vector<T> inside;
    };
    std::vector<Chunk> chunks;
  };

  void bracket_from_sample();
  void settle();
  void settle_inside(std::uint64_t above);
  void aim(Bits low, Bits high, std::uint64_t expected);  // the next pass's bracket
  void finish(Bits threshold, std::uint64_t ties);
  unsigned bin_shift() const;

  Limits limits_;
  std::vector<std::uint64_t> sizes_;
  std::uint64_t total_ = 0, keep_ = 0;
  Stage stage_ = Stage::sample;
  Bits low_ = 0, high_ = 0;  // magnitudes' bits, both ends belong to the bracket
  std::vector<Tally> tallies_;
  T threshold_ = 0;
  // Ties are kept before this chunk, `last_ties_` of them in it, none after it.
  std::size_t last_tensor_ = 0, last_chunk_ = 0, last_ties_ = 0;
};

// MergeKit's rule: max(1, int(density n)) elements are kept, none for density <= 0.
std::uint64_t kept_elements(double density, std::uint64_t size);

// Places in the descending order of magnitudes.
struct Band {
  std::uint64_t above = 0;  // dropped
  std::uint64_t kept = 0;   // then kept; the others are dropped
  bool operator==(const Band&) const = default;
};

// MergeKit's rule: int(density n) are kept below int(gamma n) that are not; fewer of those are
// dropped where that leaves too few. Everything for density >= 1.
Band kept_band(double density, double gamma, std::uint64_t size);

}  // namespace merganser::methods
