#include "search/live_sink.h"

#include <cassert>
#include <cstring>

#include "runtime/weights.h"

namespace merganser::rt {

LiveSink::LiveSink(const Plan& plan, const Model& model)
    : targets_(plan.jobs.size()), types_(plan.jobs.size()) {
  for (std::size_t j = 0; j < targets_.size(); ++j) {
    const TensorInfo& output = plan.jobs[j].output;
    const auto found = model.tensors().find(output.name);
    if (found == model.tensors().end()) continue;
    assert(static_cast<std::uint64_t>(found->second.numel()) == output.size());
    targets_[j] = found->second.detach().view({-1});  // Weights keeps its tensors contiguous
    types_[j] = scalar_type(output.dtype);
  }
}

void LiveSink::write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) {
  at::Tensor& target = targets_[job];
  if (!target.defined() || bytes.empty()) return;
  if (target.is_cpu() && target.scalar_type() == types_[job]) {
    std::memcpy(static_cast<std::byte*>(target.data_ptr()) + begin, bytes.data(), bytes.size());
    return;
  }
  const at::NoGradGuard no_grad;  // of this thread, which is one of the engine's
  const auto width = static_cast<std::uint64_t>(at::elementSize(types_[job]));
  const auto count = static_cast<std::int64_t>(bytes.size() / width);
  const at::Tensor part =
      at::from_blob(const_cast<std::byte*>(bytes.data()), {count}, at::dtype(types_[job]));
  target.narrow(0, static_cast<std::int64_t>(begin / width), count).copy_(part);
}

}  // namespace merganser::rt
