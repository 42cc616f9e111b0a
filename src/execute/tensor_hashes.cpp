#include "execute/tensor_hashes.h"

#include "base/error.h"

namespace merganser {

void TensorHash::add(std::size_t chunk, std::span<const std::byte> bytes, std::stop_token stop) {
  {
    std::unique_lock lock(mutex_);
    if (!turn_.wait(lock, stop, [&] { return next_ == chunk; })) {
      throw Error(ErrorKind::interrupted, "stopped");
    }
  }
  hasher_->update(bytes);  // this chunk's turn: nobody else is here
  {
    std::lock_guard lock(mutex_);
    ++next_;
  }
  turn_.notify_all();
}

}  // namespace merganser
