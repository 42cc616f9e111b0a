// Reading of views that do not lie in the file in row-major order: transposed, sliced, expanded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/tensor_info.h"

namespace merganser::strided {

// Fills `out` from a byte that is counted from the view's first element.
using ReadAt = std::function<void(std::uint64_t offset, std::span<std::byte> out)>;

// The view's elements, row-major: out.size() bytes from byte `begin` of them. `strides` in
// elements, one for each axis, 0 for repetition. Elements that lie near each other are read at
// once, with what is between them, at most 1 MiB at a time.
void gather(const TensorInfo& info, std::span<const std::uint64_t> strides, std::uint64_t begin,
            std::span<std::byte> out, const ReadAt& read);

// gather() for readers that want a view piece by piece. The rows of a transposed matrix lie in
// small pieces all over it, so that a narrow band of rows costs as many reads as a wide one: bands
// of 8 MiB are gathered at once and the last two are kept. Thread-safe.
class Bands {
 public:
  static constexpr std::uint64_t kSize = std::uint64_t{8} << 20;  // bytes of a band

  // As gather(). A view is known by its name.
  void read(const TensorInfo& info, std::span<const std::uint64_t> strides, std::uint64_t begin,
            std::span<std::byte> out, const ReadAt& read);

 private:
  struct Band {
    std::string name;
    std::uint64_t number = 0;
    std::vector<std::byte> bytes;
  };
  std::shared_ptr<const Band> band(const TensorInfo& info, std::span<const std::uint64_t> strides,
                                   std::uint64_t number, const ReadAt& read);

  std::mutex mutex_;
  std::array<std::shared_ptr<const Band>, 2> kept_;
  std::size_t oldest_ = 0;
};

}  // namespace merganser::strided
