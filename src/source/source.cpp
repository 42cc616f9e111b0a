#include "source/source.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace merganser {

FileSource::FileSource(Checkpoint checkpoint)
    : checkpoint_(std::move(checkpoint)), headers_(checkpoint_.headers()) {}

void FileSource::read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const {
  checkpoint_.read(checkpoint_.tensors()[tensor], begin, out);
}

void MemorySource::add(TensorInfo info, std::vector<std::byte> bytes) {
  assert(bytes.size() == info.bytes());
  const auto by_name = [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; };
  const auto at = std::lower_bound(headers_.begin(), headers_.end(), info, by_name);
  bytes_.insert(bytes_.begin() + (at - headers_.begin()), std::move(bytes));
  headers_.insert(at, std::move(info));
}

void MemorySource::read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const {
  const std::vector<std::byte>& data = bytes_[tensor];
  assert(begin + out.size() <= data.size());
  std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(begin), out.size(), out.begin());
}

}  // namespace merganser
