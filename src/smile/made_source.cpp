#include "smile/made_source.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "kernels/blend.h"
#include "smile/read_values.h"

namespace merganser {

MadeSource::MadeSource(std::shared_ptr<const ScratchFile> file, std::vector<PlanModel> models,
                       std::vector<MadeTensor> tensors)
    : file_(std::move(file)), models_(std::move(models)), tensors_(std::move(tensors)) {
  for (const MadeTensor& tensor : tensors_) headers_.push_back(tensor.info);
}

void MadeSource::read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const {
  if (out.empty()) return;  // maybe without a place to write to
  const MadeTensor& made = tensors_[tensor];
  const auto fill = [&]<class T>(T) {
    assert(begin % sizeof(T) == 0 && out.size() % sizeof(T) == 0);
    // Buffers of the engine are aligned, but nothing promises it.
    std::vector<T> values(out.size() / sizeof(T));
    const std::uint64_t first = begin / sizeof(T), last = first + values.size();
    std::uint64_t start = 0;  // of the part
    for (const MadePart& part : made.parts) {
      const std::uint64_t end = start + part.rows * part.cols;
      const std::uint64_t from = std::max(first, start), to = std::min(last, end);
      if (from < to) {
        read_part<T>(part, from - start,
                     std::span(values).subspan(static_cast<std::size_t>(from - first),
                                               static_cast<std::size_t>(to - from)));
      }
      start = end;
    }
    std::memcpy(out.data(), values.data(), out.size());
  };
  if (made.info.dtype == DType::f64) {
    fill(double{});
  } else {
    fill(float{});
  }
}

template <class T>
void MadeSource::read_part(const MadePart& part, std::uint64_t first, std::span<T> out) const {
  switch (part.kind) {
    case MadePart::Kind::zeros:
      std::ranges::fill(out, T{0});
      return;
    case MadePart::Kind::rows:
      file_->read(part.offset + first * sizeof(T), std::as_writable_bytes(out));
      return;
    case MadePart::Kind::columns: {
      const std::uint64_t last = first + out.size();
      const std::uint64_t top = first / part.cols, bottom = (last - 1) / part.cols + 1;
      std::vector<T> column(static_cast<std::size_t>(bottom - top));
      std::ranges::fill(out, T{0});
      for (std::uint64_t c = 0; c < part.present; ++c) {
        file_->read(part.offset + (c * part.rows + top) * sizeof(T),
                    std::as_writable_bytes(std::span(column)));
        for (std::size_t r = 0; r < column.size(); ++r) {
          const std::uint64_t at = (top + r) * part.cols + c;
          if (at >= first && at < last) out[static_cast<std::size_t>(at - first)] = column[r];
        }
      }
      return;
    }
    case MadePart::Kind::difference: {
      read_values<T>(models_, part.expert, first, out);
      if (!part.base) return;
      std::vector<T> base(out.size());
      read_values<T>(models_, *part.base, first, std::span(base));
      subtract(out.data(), base.data(), out.data(), out.size());
      return;
    }
  }
}

}  // namespace merganser
