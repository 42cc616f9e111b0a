#include "execute/sink.h"

#include <algorithm>
#include <utility>

namespace merganser {

MemorySink::MemorySink(const Plan& plan) : infos_(plan.outputs()) {
  for (const TensorInfo& info : infos_) bytes_.emplace_back(info.bytes());
}

void MemorySink::write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) {
  std::copy(bytes.begin(), bytes.end(), bytes_[job].begin() + static_cast<std::ptrdiff_t>(begin));
}

MemorySource MemorySink::take(std::string label) {
  MemorySource source(std::move(label));
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    source.add(std::move(infos_[i]), std::move(bytes_[i]));
  }
  return source;
}

}  // namespace merganser
