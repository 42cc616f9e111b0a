#include "linalg/blas_info.h"

#include <algorithm>
#include <atomic>
#include <string_view>
#include <thread>

// Null where the library is not OpenBLAS.
extern "C" {
[[gnu::weak]] char* openblas_get_config();
[[gnu::weak]] char* openblas_get_corename();
[[gnu::weak]] int openblas_get_num_threads();
[[gnu::weak]] void openblas_set_num_threads(int threads);
}

namespace merganser {
namespace {

std::atomic<unsigned> asked_for{0};  // by the latest set_blas_threads()

}  // namespace

BlasInfo blas_info() {
  BlasInfo info{"BLAS", "", asked_for.load()};
  if (openblas_get_config != nullptr) {
    // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...": name and version are the first two words.
    const std::string_view config = openblas_get_config();
    info.library = config.substr(0, config.find(' ', config.find(' ') + 1));
  }
  if (openblas_get_corename != nullptr) info.kernel = openblas_get_corename();
  if (openblas_get_num_threads != nullptr) {
    info.threads = static_cast<unsigned>(openblas_get_num_threads());
  }
  if (info.threads == 0) info.threads = std::max(1U, std::thread::hardware_concurrency());
  return info;
}

void set_blas_threads(unsigned threads) {
  if (threads == 0) return;
  asked_for = threads;
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(static_cast<int>(threads));
}

}  // namespace merganser
