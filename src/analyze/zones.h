// How much of a change lies in which singular subspace of the base: the zones of SMILE (Tang et al.
// 2024, arXiv 2408.10174, section 3; FusionBench's projected energy).
//
// W_0 = U S V^T. Zone I: the first k singular vectors, where k is the fewest whose singular values
// sum to `share` of the sum of all. Zone II: the other vectors of the reduced decomposition. Zones
// II and III together: those of the full one, with whole U and V. The energy of a zone a is
//   |U_a^T D V_a|_F^2 / |D|_F^2.
// The three do not sum to 1: blocks between zones count in none.
//
// Only the k first vectors are ever made. For an m x n base with m >= n, P the projection on the
// columns of W_0:
//   II + III:  |D|^2 - |U_k^T D|^2 - |D V_k|^2 + |U_k^T D V_k|^2
//   II:        |P D|^2 - |P D V_k|^2 - |U_k^T D|^2 + |U_k^T D V_k|^2
// and |P D|^2 = |R^-T W_0^T D|^2 with the Cholesky factor W_0^T W_0 = R^T R. With m = n, P is the
// identity.
#pragma once

#include <cstddef>
#include <cstdint>

#include "analyze/figures.h"
#include "linalg/matrix.h"

namespace merganser {

// The base of one tensor, decomposed once for all changes of it.
template <class T>
class BaseZones {
 public:
  // `base` must outlive it. share: (0, 1]. Throws Error for numbers that are not finite.
  BaseZones(MatrixView<const T> base, double share);
  bool empty() const { return k_ == 0; }  // the base is 0 and has no zones
  // `squared`: |D|_F^2, not 0.
  Zones of(MatrixView<const T> change, double squared) const;

 private:
  void decompose_small(double share);
  void decompose_large(double share);
  void find_column_space(const Matrix<double>& gram, double least, double most);
  // |P D|^2 and |P D V_k|^2, of bases that are not square.
  struct InColumns {
    double all = 0, leading = 0;
  };
  InColumns in_columns(MatrixView<const T> change) const;

  MatrixView<const T> base_;
  bool flipped_;  // more columns than rows: everything is done with the transposes
  std::size_t k_ = 0;
  Matrix<T> u_, v_;  // U_k^T [k, m] and V_k^T [k, n], n the shorter side
  // Of bases that are not square: R [n, n], or an orthonormal basis Q [n, m] of the columns' space
  // where W_0^T W_0 is too near to singular.
  Matrix<T> factor_, basis_;
};

// Bytes at most, with elements of `width` bytes, beside the base and the change.
struct ZonesMemory {
  std::uint64_t making = 0;    // while the base is decomposed
  std::uint64_t kept = 0;      // as long as it lives
  std::uint64_t applying = 0;  // of(), besides
};
ZonesMemory zones_memory(std::uint64_t rows, std::uint64_t cols, std::uint64_t width, double share);

}  // namespace merganser
