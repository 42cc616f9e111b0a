#include "evaluate/arrays.h"

#include <span>
#include <vector>

#include "base/error.h"
#include "runtime/weights.h"

namespace merganser::rt {
namespace {

Error wrong(const Checkpoint& checkpoint, const std::string& name, std::string what) {
  return Error(ErrorKind::mismatch, std::move(what))
      .in_file(checkpoint.path().string())
      .in_tensor(name);
}

}  // namespace

at::Tensor read_array(const Checkpoint& checkpoint, const std::string& name) {
  const StoredTensor* stored = checkpoint.find(name);
  if (stored == nullptr) {
    throw Error(ErrorKind::not_found, "there is no such tensor")
        .in_file(checkpoint.path().string())
        .in_tensor(name);
  }
  const std::vector<std::int64_t> shape(stored->info.shape.begin(), stored->info.shape.end());
  at::Tensor tensor = at::empty(shape, scalar_type(stored->info.dtype));
  checkpoint.read(*stored, 0,
                  std::as_writable_bytes(std::span(static_cast<char*>(tensor.data_ptr()),
                                                   static_cast<std::size_t>(tensor.nbytes()))));
  return tensor;
}

at::Tensor read_integers(const Checkpoint& checkpoint, const std::string& name) {
  at::Tensor tensor = read_array(checkpoint, name);
  if (at::isFloatingType(tensor.scalar_type())) {
    throw wrong(checkpoint, name, "it holds floats, where whole numbers are expected");
  }
  return tensor.to(at::kLong);
}

at::Tensor read_lengths(const Checkpoint& checkpoint, const std::string& name,
                        at::IntArrayRef shape) {
  const at::Tensor mask = read_array(checkpoint, name).to(at::kDouble);
  if (mask.sizes() != shape) {
    throw wrong(checkpoint, name, "the mask has not the shape of the token ids");
  }
  const at::Tensor ones = mask.ne(0);
  const at::Tensor lengths = ones.sum(1);
  const at::Tensor run = at::arange(mask.size(1)).unsqueeze(0) < lengths.unsqueeze(1);
  if (!ones.equal(run) || lengths.lt(1).any().item<bool>()) {
    throw wrong(checkpoint, name, "a row's mask has to be ones, then zeros, with a token at least");
  }
  return lengths;
}

}  // namespace merganser::rt
