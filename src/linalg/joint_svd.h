// One singular value decomposition of several matrices side by side, without putting them there:
// [a_1 a_2 ..] = ut^T diag(s) [vt_1 vt_2 ..].
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "linalg/matrix.h"

namespace merganser {

template <class T>
struct JointSvd {
  Matrix<T> ut;                   // k x m
  std::vector<double> s;          // descending, above noise
  std::vector<MatrixView<T>> vt;  // k x n each, in the memory of a_i
};

// The matrices are m x n; vt overwrites them. element_error as in svd.h. Low ranks and tall
// matrices are reduced to few rows first.
template <class T>
JointSvd<T> joint_svd(std::span<const MatrixView<T>> a, double element_error);

// Bytes beside the matrices, at most.
std::uint64_t joint_svd_workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t matrices,
                                  std::uint64_t width);

}  // namespace merganser
