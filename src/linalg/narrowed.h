// Results of computations in f64, in the precision of the matrix that they are of.
#pragma once

#include <algorithm>
#include <type_traits>

#include "linalg/matrix.h"

namespace merganser {

template <class T>
Matrix<T> narrowed(Matrix<double> a) {
  if constexpr (std::is_same_v<T, double>) {
    return a;
  } else {
    Matrix<T> narrow(a.rows(), a.cols());
    std::copy_n(a.data(), a.rows() * a.cols(), narrow.data());
    return narrow;
  }
}

}  // namespace merganser
