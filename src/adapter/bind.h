// An adapter's modules and tensors among those of a base.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "base/tensor_info.h"

namespace merganser {

// What becomes of one tensor. Nothing set but `base`: it is the base's.
struct AdapterChange {
  std::optional<std::size_t> base;      // index in the base's headers; none: the adapter's own
  std::optional<std::size_t> replaced;  // index in the adapter's weights: stands for the base's
  std::optional<std::size_t> module;    // index in Adapter::modules(): its product is added
  std::optional<std::size_t> bias;      // the same: its B's bias is added
  bool transposed = false;              // of a linear module: the weight is [in, out]

  bool any() const { return replaced || module || bias; }
};

struct AdapterBinding {
  std::vector<TensorInfo> headers;     // sorted by name; types are the base's where it has them
  std::vector<AdapterChange> changes;  // by header
  std::vector<std::string> notes;      // for people: a prefix, tensors that are new or resized
};

// Other names of a base's tensor.
using TensorAliases = std::function<std::vector<std::string>(const std::string&)>;

// Names are equal, or equal behind one prefix of one or two parts ("transformer."), or aliases.
// `base`: sorted by name. `base_path` is for messages. Throws Error(mismatch): a module or a bias
// that the base does not have (naming the nearest), a shape that does not fit.
AdapterBinding bind_adapter(const Adapter& adapter, const std::vector<TensorInfo>& base,
                            const std::string& base_path, const TensorAliases& aliases);

}  // namespace merganser
