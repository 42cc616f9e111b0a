// The magnitude of a given rank among numbers that come in pieces and can be read again: exactly,
// in bounded memory, and in two passes unless very many numbers are alike.
#pragma once

#include <cstdint>
#include <vector>

namespace merganser {

// A pass counts the numbers by 16 bits of |x|, then those in the bin of the wanted rank by the next
// 16; as soon as the bin holds few of them, a pass collects them. |x| is ordered as the unsigned
// number that its bits make. Any order of the pieces gives the same value.
class MagnitudeRank {
 public:
  // rank: 1 for the largest; 0: there is none, and the value is infinity. `most`: numbers collected
  // at once, 8 bytes each, beside 512 KiB for counts; fewer take more passes and give the same.
  MagnitudeRank(std::uint64_t rank, std::uint64_t most);

  bool done() const { return stage_ == Stage::done; }
  void look(const double* x, std::size_t n);
  void end_pass();  // after every number was looked at once
  double value() const { return value_; }

 private:
  enum class Stage { count, collect, done };
  void finish(std::uint64_t bits);

  Stage stage_ = Stage::count;
  std::uint64_t most_;
  std::uint64_t left_;        // rank among those whose upper bits are the prefix
  std::uint64_t prefix_ = 0;  // bits from known_ on
  unsigned known_ = 63, shift_ = 47;
  std::vector<std::uint64_t> bins_;
  std::vector<double> inside_;
  double value_ = 0;
};

}  // namespace merganser
