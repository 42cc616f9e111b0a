#include "base/tensor_info.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace merganser {

std::uint64_t elements(const Shape& shape) {
  // 2^59 elements of 8 bytes still fit in a signed 64-bit file offset.
  constexpr std::uint64_t limit = std::uint64_t{1} << 59;
  std::uint64_t product = 1;
  bool zero = false;
  for (const std::uint64_t dimension : shape) {
    if (dimension == 0) {
      zero = true;
    } else if (dimension > limit / product) {
      throw Error(ErrorKind::corrupt, fmt::format("shape {} overflows", to_string(shape)));
    } else {
      product *= dimension;
    }
  }
  return zero ? 0 : product;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace merganser
