#include "methods/parts/smoothing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "kernels/blend.h"
#include "kernels/median.h"

namespace merganser::methods {
namespace {

constexpr std::ptrdiff_t kRadius = 4;  // of the Gaussian: 4 deviations
constexpr std::size_t kTaps = 2 * kRadius + 1;
// A last axis of that many elements is filtered along; walking along another one is slower.
constexpr std::size_t kLongRow = 32;

struct Axis {
  std::size_t size, stride;
};

// Those along which there is anything to filter. An axis of one element mirrors it, which changes
// neither median nor mean.
std::vector<Axis> axes_of(const Shape& shape) {
  std::vector<Axis> axes;
  std::size_t stride = 1;
  for (auto size = shape.rbegin(); size != shape.rend(); ++size) {
    if (*size > 1) axes.push_back({static_cast<std::size_t>(*size), stride});
    stride *= static_cast<std::size_t>(*size);
  }
  std::reverse(axes.begin(), axes.end());
  return axes;
}

// The axis along which lines are taken.
std::size_t line_axis(const std::vector<Axis>& axes) {
  const std::size_t last = axes.size() - 1;
  if (axes[last].size >= kLongRow) return last;
  const auto shorter = [](const Axis& a, const Axis& b) { return a.size < b.size; };
  return std::max_element(axes.begin(), axes.end(), shorter) - axes.begin();
}

std::size_t mirrored(std::ptrdiff_t i, std::size_t size) {
  const auto n = static_cast<std::ptrdiff_t>(size);
  const std::ptrdiff_t in_period = ((i % (2 * n)) + 2 * n) % (2 * n);
  return static_cast<std::size_t>(in_period < n ? in_period : 2 * n - 1 - in_period);
}

template <class T>
void copy_line(const T* from, std::size_t stride, std::size_t n, T* to) {
  if (stride == 1) {
    std::copy_n(from, n, to);
  } else {
    for (std::size_t i = 0; i < n; ++i) to[i] = from[i * stride];
  }
}

std::size_t power_of_3(std::size_t exponent) {
  std::size_t power = 1;
  while (exponent-- > 0) power *= 3;
  return power;
}

// Offsets of the 3^k neighbours of `at` (an index for each axis) along these axes, itself included.
void neighbours(const std::vector<Axis>& axes, const std::vector<std::size_t>& at,
                std::vector<std::size_t>& offsets) {
  offsets.assign(1, 0);
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const auto index = static_cast<std::ptrdiff_t>(at[k]);
    const std::size_t count = offsets.size();
    for (std::ptrdiff_t step = -1; step <= 1; ++step) {
      const std::size_t offset = mirrored(index + step, axes[k].size) * axes[k].stride;
      for (std::size_t i = 0; i < count; ++i) offsets.push_back(offsets[i] + offset);
    }
    offsets.erase(offsets.begin(), offsets.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

// The next index, the last axis fastest; false after the last one.
bool next_index(const std::vector<Axis>& axes, std::vector<std::size_t>& at) {
  for (std::size_t k = axes.size(); k-- > 0;) {
    if (++at[k] < axes[k].size) return true;
    at[k] = 0;
  }
  return false;
}

std::size_t offset_of(const std::vector<Axis>& axes, const std::vector<std::size_t>& at) {
  std::size_t offset = 0;
  for (std::size_t k = 0; k < axes.size(); ++k) offset += at[k] * axes[k].stride;
  return offset;
}

// Weights of e^(-x^2/2), their sum 1.
template <class T>
std::array<T, kTaps> gaussian() {
  std::array<double, kTaps> exact{};
  double sum = 0;
  for (std::size_t k = 0; k < kTaps; ++k) {
    const double x = static_cast<double>(k) - kRadius;
    sum += exact[k] = std::exp(-x * x / 2);
  }
  std::array<T, kTaps> weights{};
  for (std::size_t k = 0; k < kTaps; ++k) weights[k] = static_cast<T>(exact[k] / sum);
  return weights;
}

// One line at a time, mirrored at its ends: all taps are then shifts of it.
template <class T>
void filter_rows(std::span<const T> weights, std::size_t rows, std::size_t size, const T* in,
                 T* out) {
  std::vector<T> line(size + 2 * kRadius);
  std::array<T*, kTaps> taps{};
  for (std::size_t k = 0; k < kTaps; ++k) taps[k] = line.data() + k;
  for (std::size_t row = 0; row < rows; ++row, in += size, out += size) {
    std::copy_n(in, size, line.data() + kRadius);
    for (std::ptrdiff_t i = 1; i <= kRadius; ++i) {
      line[static_cast<std::size_t>(kRadius - i)] = in[mirrored(-i, size)];
      const auto past = static_cast<std::ptrdiff_t>(size) - 1 + i;
      line[static_cast<std::size_t>(kRadius + past)] = in[mirrored(past, size)];
    }
    combine<T>(weights, taps, out, size);
  }
}

// Taps are whole runs of `stride` neighbouring elements.
template <class T>
void filter_runs(std::span<const T> weights, std::size_t elements, Axis axis, T* in, T* out) {
  const std::size_t slab = axis.size * axis.stride;
  std::array<T*, kTaps> taps{};
  for (std::size_t begin = 0; begin < elements; begin += slab) {
    for (std::size_t i = 0; i < axis.size; ++i) {
      for (std::size_t k = 0; k < kTaps; ++k) {
        const auto at = static_cast<std::ptrdiff_t>(i + k) - kRadius;
        taps[k] = in + begin + mirrored(at, axis.size) * axis.stride;
      }
      combine<T>(weights, taps, out + begin + i * axis.stride, axis.stride);
    }
  }
}

}  // namespace

template <class T>
void median_filter(const Shape& shape, const T* in, T* out) {
  const auto size = static_cast<std::size_t>(elements(shape));
  std::vector<Axis> axes = axes_of(shape);
  if (size == 0 || axes.empty()) {
    std::copy_n(in, size, out);
    return;
  }
  const std::size_t chosen = line_axis(axes);
  const Axis line = axes[chosen];
  axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(chosen));

  // The neighbouring lines, one element longer at both ends; three shifts of each are the spans.
  const std::size_t lines = power_of_3(axes.size()), padded = line.size + 2;
  std::vector<T> copies(lines * padded), filtered(line.size);
  std::vector<const T*> spans;
  for (std::size_t i = 0; i < lines; ++i) {
    for (std::size_t shift = 0; shift < 3; ++shift) {
      spans.push_back(copies.data() + i * padded + shift);
    }
  }
  std::vector<std::size_t> at(axes.size()), offsets;
  do {
    neighbours(axes, at, offsets);
    for (std::size_t i = 0; i < lines; ++i) {
      T* copy = copies.data() + i * padded;
      copy_line(in + offsets[i], line.stride, line.size, copy + 1);
      copy[0] = copy[1];
      copy[padded - 1] = copy[padded - 2];
    }
    T* to = out + offset_of(axes, at);
    if (line.stride == 1) {
      median<T>(spans, to, line.size);
    } else {
      median<T>(spans, filtered.data(), line.size);
      for (std::size_t i = 0; i < line.size; ++i) to[i * line.stride] = filtered[i];
    }
  } while (next_index(axes, at));
}

std::uint64_t median_filter_bytes(const Shape& shape, std::size_t element_bytes) {
  const std::vector<Axis> axes = axes_of(shape);
  if (axes.empty()) return 0;
  const std::size_t line = axes[line_axis(axes)].size + 2;
  return (power_of_3(axes.size() - 1) + 1) * line * element_bytes;
}

template <class T>
void gaussian_filter(const Shape& shape, T* values, T* scratch) {
  const auto size = static_cast<std::size_t>(elements(shape));
  if (size == 0) return;
  const std::array<T, kTaps> weights = gaussian<T>();
  T *from = values, *to = scratch;
  for (const Axis& axis : axes_of(shape)) {
    if (axis.stride == 1) {
      filter_rows<T>(weights, size / axis.size, axis.size, from, to);
    } else {
      filter_runs<T>(weights, size, axis, from, to);
    }
    std::swap(from, to);
  }
  if (from != values) std::copy_n(from, size, values);
}

template void median_filter(const Shape&, const float*, float*);
template void median_filter(const Shape&, const double*, double*);
template void gaussian_filter(const Shape&, float*, float*);
template void gaussian_filter(const Shape&, double*, double*);

}  // namespace merganser::methods
