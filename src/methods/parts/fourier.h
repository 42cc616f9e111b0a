// Discrete Fourier transforms of lines and of whole tensors.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/tensor_info.h"

namespace merganser::methods {

// X_k = sum_j x_j e^(-2 pi i jk/n), for any n: a length with large prime factors goes by
// Bluestein's convolution, so that the time is always that of n log n.
class Fourier {
 public:
  using Complex = std::complex<double>;

  explicit Fourier(std::size_t n);
  ~Fourier();

  std::size_t size() const;
  void forward(const Complex* in, Complex* out);
  void inverse(const Complex* in, Complex* out);  // not divided by n

 private:
  class Plan;
  std::unique_ptr<Plan> plan_;
};

// Multiplies each frequency of a tensor by gain(distance). The distance of a frequency from zero is
// the root of the mean, over all axes, of f^2, with f from 0 to 1 at the highest frequency of an
// axis; an axis of one element has only 0.
template <class T>
void filter_frequencies(const Shape& shape, T* x, const std::function<double(double)>& gain);
// Bytes that it takes.
std::uint64_t filter_frequencies_bytes(const Shape& shape, std::size_t element_bytes);

}  // namespace merganser::methods
