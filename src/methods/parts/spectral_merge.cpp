#include "methods/parts/spectral_merge.h"

#include <algorithm>
#include <numeric>

#include "linalg/multiply.h"
#include "linalg/svd.h"
#include "methods/parts/stacked_vectors.h"

namespace merganser::methods {

template <class T>
IsotropicSum merge_isotropic(MatrixDeltas<T>& in, MatrixView<T> out) {
  in.sum_into(out);
  const Svd<T> svd = thin_svd<T>(out, {.element_error = in.error_of_sum()});
  const double mean = mean_value(svd.s, in.full_rank());
  compose_isotropic<T>(svd.ut.view(), svd.vt.view(), mean, out);
  return {svd.rank(), mean, svd.s.empty() ? 0 : svd.s[0]};
}

template <class T>
TaskDirections merge_task_directions(MatrixDeltas<T>& in, std::size_t most, MatrixView<T> out) {
  StackedVectors<T> stack(in.rows(), in.cols(), most * in.tasks());
  TaskDirections found;
  for (std::size_t i = 0; i < in.tasks(); ++i) {
    const Svd<T> svd =
        thin_svd<T>(in.delta[i], {.most = most, .element_error = in.element_error[i]});
    double energy = 0;
    for (const double s : svd.s) energy += s * s;
    found.ranks.push_back(static_cast<double>(svd.rank()));
    found.energy.push_back(svd.energy > 0 ? std::min(1.0, energy / svd.energy) : 1);
    stack.add(svd, svd.rank());
  }
  stack.orthogonalise();
  compose<T>(stack.left(), stack.values(), stack.right(), out);
  return found;
}

std::size_t directions_of_task(std::size_t full_rank, std::size_t tasks) {
  return std::max<std::size_t>(1, full_rank / tasks);
}

template <class T>
void compose_isotropic(MatrixView<const T> ut, MatrixView<const T> vt, double value,
                       MatrixView<T> out) {
  multiply<T>(static_cast<T>(value), ut, Transposed::yes, vt, Transposed::no, 0, out);
}

double mean_value(std::span<const double> s, std::size_t full_rank) {
  return std::accumulate(s.begin(), s.end(), 0.0) / static_cast<double>(full_rank);
}

#define MERGANSER_INSTANCE(T)                                                                  \
  template IsotropicSum merge_isotropic(MatrixDeltas<T>&, MatrixView<T>);                      \
  template TaskDirections merge_task_directions(MatrixDeltas<T>&, std::size_t, MatrixView<T>); \
  template void compose_isotropic(MatrixView<const T>, MatrixView<const T>, double, MatrixView<T>);
MERGANSER_INSTANCE(float)
MERGANSER_INSTANCE(double)
#undef MERGANSER_INSTANCE

}  // namespace merganser::methods
