#include "smile/input_stream.h"

#include "kernels/convert.h"

namespace merganser {

InputStream::InputStream(const PlanModel& model, const PlanInput& input, HashKind hash)
    : input_(input),
      source_(*model.source),
      dtype_(model.dtype(input.tensor)),
      hasher_(Hasher::make(hash)) {}

template <class T>
void InputStream::next(std::span<T> values) {
  stored_.resize(values.size() * size_of(dtype_));
  source_.read(input_.tensor, at_, stored_);
  at_ += stored_.size();
  if (hasher_) hasher_->update(stored_);
  widen(dtype_, stored_.data(), values.data(), values.size());
}

std::string InputStream::finish() { return hasher_ ? hasher_->finish() : ""; }

template void InputStream::next(std::span<float>);
template void InputStream::next(std::span<double>);

}  // namespace merganser
