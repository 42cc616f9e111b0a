#include "methods/parts/fourier.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <kissfft/kissfft.hh>
#include <numbers>
#include <utility>
#include <vector>

namespace merganser::methods {
namespace {

using Complex = Fourier::Complex;

// Lines of another axis than the last are taken side by side: neighbours share cache lines.
constexpr std::size_t kSideBySide = 16;

Complex swapped(Complex z) { return {z.imag(), z.real()}; }

// Multiplications for an element, about: a factor of the length costs as many as it is large.
double cost_of(std::size_t n) {
  double cost = 0;
  for (std::size_t factor = 2; n > 1; ++factor) {
    if (factor * factor > n) factor = n;
    for (; n % factor == 0; n /= factor) cost += static_cast<double>(factor);
  }
  return cost;
}

std::size_t convolution_size(std::size_t n) { return std::bit_ceil(2 * n - 1); }

// Two transforms of the longer line, and what stands between them.
bool by_convolution(std::size_t n) {
  const std::size_t longer = convolution_size(n);
  const double ratio = static_cast<double>(longer) / static_cast<double>(n);
  return cost_of(n) > ratio * (2 * cost_of(longer) + 4);
}

}  // namespace

class Fourier::Plan {
 public:
  explicit Plan(std::size_t n)
      : n_(n),
        longer_(by_convolution(n) ? convolution_size(n) : 0),
        fft_(std::max(n_, longer_), false) {
    if (longer_ == 0) return;
    // jk = (j^2 + k^2 - (k-j)^2) / 2: a convolution with the chirp e^(pi i j^2/n).
    for (std::uint64_t j = 0; j < n; ++j) {
      const auto square = static_cast<double>(j * j % (2 * n));
      chirp_.push_back(std::polar(1.0, -std::numbers::pi * square / static_cast<double>(n)));
    }
    line_.resize(longer_);
    spectrum_.resize(longer_);
    std::vector<Complex> around(longer_);
    around[0] = std::conj(chirp_[0]);
    for (std::size_t j = 1; j < n; ++j) around[j] = around[longer_ - j] = std::conj(chirp_[j]);
    chirp_spectrum_.resize(longer_);
    fft_.transform(around.data(), chirp_spectrum_.data());
  }

  std::size_t size() const { return n_; }

  void forward(const Complex* in, Complex* out) {
    if (longer_ == 0) return fft_.transform(in, out);
    for (std::size_t j = 0; j < n_; ++j) line_[j] = in[j] * chirp_[j];
    std::fill(line_.begin() + static_cast<std::ptrdiff_t>(n_), line_.end(), Complex{});
    fft_.transform(line_.data(), spectrum_.data());
    // With real and imaginary parts exchanged, forward is inverse.
    for (std::size_t k = 0; k < longer_; ++k) {
      spectrum_[k] = swapped(spectrum_[k] * chirp_spectrum_[k]);
    }
    fft_.transform(spectrum_.data(), line_.data());
    const double scale = 1 / static_cast<double>(longer_);
    for (std::size_t k = 0; k < n_; ++k) out[k] = swapped(line_[k]) * chirp_[k] * scale;
  }

  void inverse(const Complex* in, Complex* out) {
    input_.resize(n_);
    std::transform(in, in + n_, input_.begin(), swapped);
    forward(input_.data(), out);
    std::transform(out, out + n_, out, swapped);
  }

 private:
  std::size_t n_, longer_;  // longer_: 0 where the length is transformed as it is
  kissfft<double> fft_;
  std::vector<Complex> chirp_, chirp_spectrum_, line_, spectrum_, input_;
};

Fourier::Fourier(std::size_t n) : plan_(std::make_unique<Plan>(n)) {}
Fourier::~Fourier() = default;
std::size_t Fourier::size() const { return plan_->size(); }
void Fourier::forward(const Complex* in, Complex* out) { plan_->forward(in, out); }
void Fourier::inverse(const Complex* in, Complex* out) { plan_->inverse(in, out); }

namespace {

enum class Direction { forward, inverse };

// The half of a real tensor's spectrum with frequencies of the last axis from 0 to half its length;
// the other half is its conjugate.
template <class T>
class Spectrum {
 public:
  explicit Spectrum(const Shape& shape) {
    for (const auto size : shape) sizes_.push_back(static_cast<std::size_t>(size));
    if (sizes_.empty()) sizes_.push_back(1);
    for (const std::size_t size : sizes_) elements_ *= size;
    last_ = sizes_.back();
    half_ = last_ / 2 + 1;
    rows_ = last_ == 0 ? 0 : elements_ / last_;
    values_.resize(rows_ * half_);
  }

  void filter(T* x, const std::function<double(double)>& gain) {
    if (elements_ == 0) return;
    Fourier along_rows(last_);
    rows_forward(along_rows, x);
    each_axis([&](Fourier& dft, std::size_t stride) { lines(dft, stride, Direction::forward); });
    apply(gain);
    each_axis([&](Fourier& dft, std::size_t stride) { lines(dft, stride, Direction::inverse); });
    rows_inverse(along_rows, x);
  }

 private:
  using Stored = std::complex<T>;

  // Two real rows are the real and the imaginary part of one complex line.
  void rows_forward(Fourier& dft, const T* x) {
    std::vector<Complex> line(last_), spectrum(last_);
    for (std::size_t row = 0; row < rows_; row += 2) {
      const T *first = x + row * last_, *second = row + 1 < rows_ ? first + last_ : nullptr;
      for (std::size_t i = 0; i < last_; ++i) {
        line[i] = {first[i], second == nullptr ? 0 : static_cast<double>(second[i])};
      }
      dft.forward(line.data(), spectrum.data());
      for (std::size_t k = 0; k < half_; ++k) {
        const Complex here = spectrum[k], there = std::conj(spectrum[k == 0 ? 0 : last_ - k]);
        values_[row * half_ + k] = Stored((here + there) * 0.5);
        if (second == nullptr) continue;
        values_[(row + 1) * half_ + k] = Stored(std::conj(swapped(here - there)) * 0.5);
      }
    }
  }

  void rows_inverse(Fourier& dft, T* x) const {
    std::vector<Complex> line(last_), spectrum(last_);
    const double scale = 1 / static_cast<double>(elements_);
    for (std::size_t row = 0; row < rows_; row += 2) {
      const bool pair = row + 1 < rows_;
      const Stored* first = values_.data() + row * half_;
      const Stored* second = first + half_;
      for (std::size_t k = 0; k < last_; ++k) {
        const bool mirrored = k >= half_;
        const std::size_t at = mirrored ? last_ - k : k;
        const Complex a(first[at]), b = pair ? Complex(second[at]) : Complex{};
        // a + i b, of the conjugates where mirrored.
        const double sign = mirrored ? -1 : 1;
        spectrum[k] = {a.real() - sign * b.imag(), sign * a.imag() + b.real()};
      }
      dft.inverse(spectrum.data(), line.data());
      T* to = x + row * last_;
      for (std::size_t i = 0; i < last_; ++i) {
        to[i] = static_cast<T>(line[i].real() * scale);
        if (pair) to[last_ + i] = static_cast<T>(line[i].imag() * scale);
      }
    }
  }

  // All axes but the last, with the distance of neighbours along them.
  template <class Act>
  void each_axis(Act act) {
    std::size_t stride = half_;
    for (std::size_t k = sizes_.size() - 1; k-- > 0;) {
      if (sizes_[k] > 1) {
        Fourier dft(sizes_[k]);
        act(dft, stride);
      }
      stride *= sizes_[k];
    }
  }

  void lines(Fourier& dft, std::size_t stride, Direction direction) {
    const std::size_t n = dft.size(), slab = n * stride;
    std::vector<Complex> in(kSideBySide * n), out(n);
    for (std::size_t begin = 0; begin < values_.size(); begin += slab) {
      for (std::size_t from = 0; from < stride; from += kSideBySide) {
        const std::size_t width = std::min(kSideBySide, stride - from);
        Stored* at = values_.data() + begin + from;
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t j = 0; j < width; ++j) in[j * n + i] = Complex(at[i * stride + j]);
        }
        for (std::size_t j = 0; j < width; ++j) {
          Complex* line = in.data() + j * n;
          if (direction == Direction::forward) {
            dft.forward(line, out.data());
          } else {
            dft.inverse(line, out.data());
          }
          std::copy(out.begin(), out.end(), line);
        }
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t j = 0; j < width; ++j) at[i * stride + j] = Stored(in[j * n + i]);
        }
      }
    }
  }

  // Squares of the frequencies of axis k, 0 to 1.
  std::vector<double> squares(std::size_t k) const {
    const std::size_t n = sizes_[k];
    std::vector<double> values(k + 1 == sizes_.size() ? half_ : n);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double f =
          n == 1 ? 0 : static_cast<double>(std::min(i, n - i)) / static_cast<double>(n / 2);
      values[i] = f * f;
    }
    return values;
  }

  void apply(const std::function<double(double)>& gain) {
    std::vector<std::vector<double>> axes;
    for (std::size_t k = 0; k < sizes_.size(); ++k) axes.push_back(squares(k));
    std::vector<std::size_t> at(sizes_.size());
    for (std::size_t row = 0; row < rows_; ++row) {
      double others = 0;
      for (std::size_t k = 0; k + 1 < sizes_.size(); ++k) others += axes[k][at[k]];
      for (std::size_t i = 0; i < half_; ++i) {
        const double mean = (others + axes.back()[i]) / static_cast<double>(sizes_.size());
        values_[row * half_ + i] *= static_cast<T>(gain(std::sqrt(mean)));
      }
      for (std::size_t k = sizes_.size() - 1; k-- > 0;) {
        if (++at[k] < sizes_[k]) break;
        at[k] = 0;
      }
    }
  }

  std::vector<std::size_t> sizes_;
  std::size_t elements_ = 1, last_ = 0, half_ = 0, rows_ = 0;
  std::vector<Stored> values_;
};

}  // namespace

template <class T>
void filter_frequencies(const Shape& shape, T* x, const std::function<double(double)>& gain) {
  Spectrum<T>(shape).filter(x, gain);
}

std::uint64_t filter_frequencies_bytes(const Shape& shape, std::size_t element_bytes) {
  std::uint64_t longest = 1;
  for (const auto size : shape) longest = std::max<std::uint64_t>(longest, size);
  const std::uint64_t last = shape.empty() ? 1 : shape.back();
  const std::uint64_t rows = last == 0 ? 0 : elements(shape) / last;
  // The half spectrum; lines side by side; the longest plan, with a convolution.
  return rows * (last / 2 + 1) * 2 * element_bytes +
         longest * (kSideBySide + 3 + 5 * 4) * sizeof(Complex);
}

template void filter_frequencies(const Shape&, float*, const std::function<double(double)>&);
template void filter_frequencies(const Shape&, double*, const std::function<double(double)>&);

}  // namespace merganser::methods
