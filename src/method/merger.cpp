#include "method/merger.h"

#include <algorithm>

namespace merganser {

std::size_t row_size(const Shape& shape) {
  return shape.empty() ? 1 : static_cast<std::size_t>(shape.back());
}

std::size_t block_size(Unit unit, const Shape& shape) {
  switch (unit) {
    case Unit::element:
      break;
    case Unit::row: {
      const std::size_t row = std::max<std::size_t>(1, row_size(shape));
      return std::max<std::size_t>(1, kBlock / row) * row;
    }
    case Unit::tensor:
      return std::max<std::size_t>(1, static_cast<std::size_t>(elements(shape)));
  }
  return kBlock;
}

}  // namespace merganser
