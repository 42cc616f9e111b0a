#include "linalg/blas_info.h"

#include <gtest/gtest.h>

namespace merganser::test {
namespace {

TEST(BlasInfo, TellsWhatIsKnown) {
  const BlasInfo info = blas_info();
  EXPECT_FALSE(info.library.empty());
  EXPECT_EQ(info.library.starts_with("OpenBLAS "), !info.kernel.empty());
  RecordProperty("kernel", info.kernel);
}

TEST(BlasInfo, SetsThreads) {
  const unsigned before = blas_info().threads;
  set_blas_threads(0);
  EXPECT_EQ(blas_info().threads, before);
  EXPECT_GE(before, 1u);
  set_blas_threads(1);
  EXPECT_EQ(blas_info().threads, 1u);
  set_blas_threads(before);
  EXPECT_EQ(blas_info().threads, before);
}

TEST(BlasInfo, SetsThreadsForAWhile) {
  const unsigned before = blas_info().threads;
  {
    const BlasThreads one(1);
    EXPECT_EQ(blas_info().threads, 1u);
  }
  EXPECT_EQ(blas_info().threads, before);
}

}  // namespace
}  // namespace merganser::test
