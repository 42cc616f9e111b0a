// Which BLAS the program runs on, and the threads of products. Of a library other than OpenBLAS no
// kernel is known, and its own threads stay as they are: the number here is then that of the
// products that linalg divides up itself (gram_product.h).
#pragma once

#include <string>

namespace merganser {

struct BlasInfo {
  std::string library;   // "OpenBLAS 0.3.21", or "BLAS"
  std::string kernel;    // the instruction set's name in it: "Haswell", "SkylakeX"
  unsigned threads = 1;  // of a single product; as many as there are cores until it is set
};

BlasInfo blas_info();

// Of the whole process; 0 leaves it as it is. Not while a product is running. The number of threads
// is part of what rounds: the last bits of a product may depend on it.
void set_blas_threads(unsigned threads);

// Another number for a while. Only where no other thread of the process uses BLAS.
class BlasThreads {
 public:
  explicit BlasThreads(unsigned threads) : before_(blas_info().threads) {
    set_blas_threads(threads);
  }
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;
  ~BlasThreads() { set_blas_threads(before_); }

 private:
  unsigned before_;
};

}  // namespace merganser
