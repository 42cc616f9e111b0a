#include "evaluate/idx.h"

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "checkpoint/idx_header.h"
#include "evaluate/gzip.h"

namespace merganser::rt {
namespace {

// Unsigned bytes of the file's shape.
at::Tensor read_array(const std::filesystem::path& path) {
  UnpackedFile file(path);
  std::array<std::byte, kIdxHeader> start;
  const std::size_t had = file.read(start);
  const IdxHeader header = parse_idx_header(std::span(start).first(had), path.string());
  const auto cut_short = [&] {
    return Error(ErrorKind::corrupt,
                 fmt::format("it ends before the {} elements that its header states", header.bytes))
        .in_file(path.string());
  };
  // Before memory is asked for: a header can state anything.
  if (header.begin + header.bytes > file.most()) throw cut_short();
  const std::vector<std::int64_t> shape(header.shape.begin(), header.shape.end());
  at::Tensor values = at::empty(shape, at::kByte);
  const std::span out(static_cast<std::byte*>(values.data_ptr()), header.bytes);
  const auto early = std::span(start).subspan(header.begin, had - header.begin);
  const std::size_t first = std::min(early.size(), out.size());
  std::copy_n(early.begin(), first, out.begin());
  if (first + file.read(out.subspan(first)) < out.size()) throw cut_short();
  std::array<std::byte, 1> more;
  if (first < early.size() || file.read(more) > 0) {
    throw Error(ErrorKind::corrupt,
                fmt::format("bytes follow the {} elements that its header states", header.bytes))
        .in_file(path.string());
  }
  return values;
}

}  // namespace

Examples read_idx(const Task& task, const SplitFile& split) {
  Examples examples;
  examples.place = split.file.string();
  const at::Tensor images = read_array(split.file);
  const at::Tensor labels = read_array(split.labels_file);
  if (images.dim() < 2) {
    throw Error(ErrorKind::mismatch, "it has one axis: are these the labels?")
        .in_file(split.file.string());
  }
  if (labels.dim() != 1 || labels.size(0) != images.size(0)) {
    throw Error(ErrorKind::mismatch,
                fmt::format("{} images need as many labels, on one axis", images.size(0)))
        .in_file(split.labels_file.string());
  }
  examples.labels = labels.to(at::kLong);
  examples.values = images.to(at::kFloat).div_(255).sub_(task.offset).div_(task.scale);
  // One channel of grey: [N, H, W] has none.
  if (images.dim() == 3) examples.values = examples.values.unsqueeze(1);
  return examples;
}

}  // namespace merganser::rt
