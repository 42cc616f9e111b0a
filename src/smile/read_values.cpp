#include "smile/read_values.h"

#include <algorithm>

#include "kernels/convert.h"

namespace merganser {

template <class T>
void read_values(const std::vector<PlanModel>& models, const PlanInput& input, std::uint64_t first,
                 std::span<T> out) {
  constexpr std::size_t kPiece = std::size_t{1} << 16;  // elements
  const PlanModel& model = models[input.model];
  const DType dtype = model.dtype(input.tensor);
  const std::size_t width = size_of(dtype);
  std::vector<std::byte> stored(std::min(kPiece, out.size()) * width);
  for (std::size_t begin = 0; begin < out.size(); begin += kPiece) {
    const std::size_t count = std::min(kPiece, out.size() - begin);
    const std::span<std::byte> bytes = std::span(stored).first(count * width);
    model.source->read(input.tensor, (first + begin) * width, bytes);
    widen(dtype, bytes.data(), out.data() + begin, count);
  }
}

template void read_values(const std::vector<PlanModel>&, const PlanInput&, std::uint64_t,
                          std::span<float>);
template void read_values(const std::vector<PlanModel>&, const PlanInput&, std::uint64_t,
                          std::span<double>);

}  // namespace merganser
