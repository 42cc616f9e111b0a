// How a long job tells what it does and hears that it should stop. The library never prints.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#pragma GCC visibility push(default)
namespace merganser {

enum class ProgressUnit { bytes, rows, tokens };

class Progress {
 public:
  virtual ~Progress() = default;
  // The whole of the job: bytes that it reads, rows of data or tokens that a model computes. Where
  // one job follows another, the second counts from nothing.
  virtual void begin(std::uint64_t /*total*/, ProgressUnit /*unit*/ = ProgressUnit::bytes) {}
  virtual void advance(std::uint64_t /*more*/) {}   // thread-safe
  virtual void stage(std::string_view /*what*/) {}  // "writing", "syncing"; any thread

  // Thread- and signal-safe.
  void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }
  bool stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> stopped_{false};
};

}  // namespace merganser
#pragma GCC visibility pop
