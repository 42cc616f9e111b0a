#include "checkpoint/strided.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace merganser::strided {
namespace {

constexpr std::uint64_t kWindow = std::uint64_t{1} << 20;  // bytes
// A read of its own costs about as much as copying this much more (bytes).
constexpr std::uint64_t kWorthReading = std::uint64_t{8} << 10;

// All units are elements. `in` is the step in the file, `out` that in the output.
struct Axis {
  std::uint64_t size = 1, in = 0, out = 0;
};

// Axes of one element are left out, axes that continue each other joined.
std::vector<Axis> joined_axes(const Shape& shape, std::span<const std::uint64_t> strides) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (!axes.empty() && axes.back().in == strides[i] * shape[i]) {
      axes.back() = {axes.back().size * shape[i], strides[i], 0};
    } else {
      axes.push_back({shape[i], strides[i], 0});
    }
  }
  return axes;
}

class Gatherer {
 public:
  Gatherer(std::size_t element, std::byte* out, const ReadAt& read)
      : element_(element), out_(out), read_(read) {}

  // `count` elements from `start` of the row-major order of `axes`, whose first one lies at `base`.
  // They are cut into boxes: whole runs of the outermost axis, and what is left at both ends.
  void range(std::span<const Axis> axes, std::uint64_t base, std::uint64_t start,
             std::uint64_t count) {
    if (count == 0) return;
    if (axes.empty()) return box({}, base);
    std::uint64_t inner = 1;
    for (const Axis& axis : axes.subspan(1)) inner *= axis.size;
    const std::span<const Axis> rest = axes.subspan(1);
    if (const std::uint64_t within = start % inner; within != 0) {
      const std::uint64_t part = std::min(count, inner - within);
      range(rest, base + start / inner * axes[0].in, within, part);
      start += part;
      count -= part;
    }
    if (const std::uint64_t whole = count / inner; whole > 0) {
      std::vector<Axis> sides(axes.begin(), axes.end());
      sides[0].size = whole;
      box(std::move(sides), base + start / inner * axes[0].in);
      start += whole * inner;
      count -= whole * inner;
    }
    if (count > 0) range(rest, base + start / inner * axes[0].in, 0, count);
  }

 private:
  // All elements of the axes, the first one at `base`; they are the next ones of the output.
  void box(std::vector<Axis> axes, std::uint64_t base) {
    std::uint64_t size = 1;
    for (std::size_t i = axes.size(); i-- > 0;) {
      axes[i].out = size;
      size *= axes[i].size;
    }
    std::erase_if(axes, [](const Axis& axis) { return axis.size == 1; });
    // Nearest in the file last; repeated ones behind, where they cost no reading.
    std::ranges::stable_sort(axes, [](const Axis& a, const Axis& b) { return a.in > b.in; });
    const auto repeats = std::ranges::find(axes, std::uint64_t{0}, &Axis::in);
    repeats_.assign(repeats, axes.end());
    axes.erase(repeats, axes.end());

    // The innermost axes that one window takes: as many whole ones as fit, and a part of the next.
    window_axes_.clear();
    std::uint64_t span = 1;  // of the file
    while (!axes.empty()) {
      Axis& next = axes.back();
      const std::uint64_t gap = (next.in - std::min(next.in, span)) * element_;
      if (gap > kWorthReading) break;
      const std::uint64_t room = kWindow / element_ - std::min(kWindow / element_, span);
      const std::uint64_t steps = std::min(next.size, 1 + room / next.in);
      if (steps < 2) break;
      if (steps < next.size) return split(std::move(axes), base, span, steps);
      span += (next.size - 1) * next.in;
      window_axes_.push_back(next);
      axes.pop_back();
    }
    windows(axes, base, 0, span);
    out_ += size * element_;
  }

  // The last of the axes in pieces of `steps`, each of which is one window; the rest of the axes
  // around it.
  void split(std::vector<Axis> axes, std::uint64_t base, std::uint64_t span, std::uint64_t steps) {
    const Axis whole = axes.back();
    axes.pop_back();
    std::uint64_t size = whole.size;
    for (const Axis& axis : axes) size *= axis.size;
    for (const Axis& axis : window_axes_) size *= axis.size;
    for (const Axis& axis : repeats_) size *= axis.size;
    for (std::uint64_t at = 0; at < whole.size; at += steps) {
      const Axis piece = {std::min(steps, whole.size - at), whole.in, whole.out};
      window_axes_.push_back(piece);
      windows(axes, base + at * whole.in, at * whole.out, span + (piece.size - 1) * piece.in);
      window_axes_.pop_back();
    }
    out_ += size * element_;
  }

  void windows(std::span<const Axis> axes, std::uint64_t base, std::uint64_t to,
               std::uint64_t span) {
    if (axes.empty()) return window(base, to, span);
    for (std::uint64_t i = 0; i < axes[0].size; ++i) {
      windows(axes.subspan(1), base + i * axes[0].in, to + i * axes[0].out, span);
    }
  }

  void window(std::uint64_t base, std::uint64_t to, std::uint64_t span) {
    const std::uint64_t size = span * element_;
    const bool direct =
        repeats_.empty() &&
        (window_axes_.empty() ||
         (window_axes_.size() == 1 && window_axes_[0].in == 1 && window_axes_[0].out == 1));
    if (direct) {
      return read_(base * element_, {out_ + to * element_, static_cast<std::size_t>(size)});
    }
    buffer_.resize(static_cast<std::size_t>(size));
    read_(base * element_, buffer_);
    // The order of the output's steps is that of the caches: the smallest one innermost.
    scatter_axes_ = window_axes_;
    scatter_axes_.insert(scatter_axes_.end(), repeats_.begin(), repeats_.end());
    std::ranges::stable_sort(scatter_axes_,
                             [](const Axis& a, const Axis& b) { return a.out > b.out; });
    switch (element_) {
      case 1:
        return scatter<std::uint8_t>(scatter_axes_, buffer_.data(), out_ + to * element_);
      case 2:
        return scatter<std::uint16_t>(scatter_axes_, buffer_.data(), out_ + to * element_);
      case 4:
        return scatter<std::uint32_t>(scatter_axes_, buffer_.data(), out_ + to * element_);
      default:
        return scatter<std::uint64_t>(scatter_axes_, buffer_.data(), out_ + to * element_);
    }
  }

  template <typename T>
  static void scatter(std::span<const Axis> axes, const std::byte* from, std::byte* to) {
    if (axes.empty()) {
      std::memcpy(to, from, sizeof(T));
      return;
    }
    const Axis& axis = axes[0];
    for (std::uint64_t i = 0; i < axis.size; ++i) {
      if (axes.size() == 1) {
        std::memcpy(to + i * axis.out * sizeof(T), from + i * axis.in * sizeof(T), sizeof(T));
      } else {
        scatter<T>(axes.subspan(1), from + i * axis.in * sizeof(T), to + i * axis.out * sizeof(T));
      }
    }
  }

  std::size_t element_;
  std::byte* out_;
  const ReadAt& read_;
  std::vector<Axis> window_axes_, repeats_, scatter_axes_;
  std::vector<std::byte> buffer_;
};

}  // namespace

void gather(const TensorInfo& info, std::span<const std::uint64_t> strides, std::uint64_t begin,
            std::span<std::byte> out, const ReadAt& read) {
  const std::vector<Axis> axes = joined_axes(info.shape, strides);
  const std::size_t size = size_of(info.dtype);
  // An element of which only a part is wanted, at either end.
  const auto part = [&](std::uint64_t element, std::size_t from, std::span<std::byte> to) {
    std::array<std::byte, 8> whole{};
    Gatherer(size, whole.data(), read).range(axes, 0, element, 1);
    std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(from), to.size(), to.begin());
  };
  if (const std::size_t from = static_cast<std::size_t>(begin % size); from != 0) {
    const std::size_t bytes = std::min(out.size(), size - from);
    part(begin / size, from, out.first(bytes));
    begin += bytes;
    out = out.subspan(bytes);
  }
  const std::uint64_t whole = out.size() / size;
  Gatherer(size, out.data(), read).range(axes, 0, begin / size, whole);
  const auto tail = out.subspan(static_cast<std::size_t>(whole * size));
  if (!tail.empty()) part(begin / size + whole, 0, tail);
}

void Bands::read(const TensorInfo& info, std::span<const std::uint64_t> strides,
                 std::uint64_t begin, std::span<std::byte> out, const ReadAt& read) {
  while (!out.empty()) {
    const std::shared_ptr<const Band> from = band(info, strides, begin / kSize, read);
    const std::size_t within = static_cast<std::size_t>(begin % kSize);
    const std::size_t bytes = std::min(out.size(), from->bytes.size() - within);
    std::copy_n(from->bytes.begin() + static_cast<std::ptrdiff_t>(within), bytes, out.begin());
    begin += bytes;
    out = out.subspan(bytes);
  }
}

std::shared_ptr<const Bands::Band> Bands::band(const TensorInfo& info,
                                               std::span<const std::uint64_t> strides,
                                               std::uint64_t number, const ReadAt& read) {
  // Whoever needs the same band waits for it here, rather than gathering it too.
  const std::lock_guard lock(mutex_);
  for (const auto& kept : kept_) {
    if (kept && kept->number == number && kept->name == info.name) return kept;
  }
  kept_[oldest_].reset();  // before the next one is made: less memory at once
  auto made = std::make_shared<Band>();
  made->name = info.name;
  made->number = number;
  const std::uint64_t begin = number * kSize;
  made->bytes.resize(static_cast<std::size_t>(std::min(kSize, info.bytes() - begin)));
  gather(info, strides, begin, made->bytes, read);
  kept_[std::exchange(oldest_, 1 - oldest_)] = made;
  return made;
}

}  // namespace merganser::strided
