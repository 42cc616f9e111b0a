#include "linalg/polar.h"

#include "linalg/multiply.h"
#include "linalg/svd.h"

namespace merganser {

template <class T>
std::size_t make_polar_factor(MatrixView<T> a) {
  const Svd<T> svd = thin_svd<T>(a);
  multiply<T>(1, svd.ut.view(), Transposed::yes, svd.vt.view(), Transposed::no, 0, a);
  return svd.rank();
}

template std::size_t make_polar_factor(MatrixView<float>);
template std::size_t make_polar_factor(MatrixView<double>);

}  // namespace merganser
