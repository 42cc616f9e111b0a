// A tensor's header: name, element type and shape, without its data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace merganser {

using Shape = std::vector<std::uint64_t>;  // empty = 0-d, one element

// Product of the dimensions. Throws Error(corrupt) where it does not fit in 63 bits.
std::uint64_t elements(const Shape& shape);
std::string to_string(const Shape& shape);  // "[32000, 4096]"

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;

  std::uint64_t size() const { return elements(shape); }
  std::uint64_t bytes() const { return size() * size_of(dtype); }
};

}  // namespace merganser
