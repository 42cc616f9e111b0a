#include "analyze/work.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace merganser {

void for_each_of(std::span<const std::size_t> order, unsigned threads,
                 const std::function<void(std::size_t)>& act) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (std::size_t i; (i = next++) < order.size();) act(order[i]);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = order.size();
    }
  };
  std::vector<std::thread> workers;
  const std::size_t most = std::min<std::size_t>(std::max(1u, threads), order.size());
  try {
    while (workers.size() < most) workers.emplace_back(work);
  } catch (const std::system_error&) {
    // The system gives no more threads; the result does not depend on how many there are.
    if (workers.empty()) work();
  }
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace merganser
