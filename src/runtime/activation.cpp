#include "runtime/activation.h"

#include <fmt/format.h>

#include "base/error.h"

namespace merganser::rt {

Activation parse_activation(const std::string& name, const std::string& place) {
  if (name == "silu" || name == "swish") return [](const at::Tensor& x) { return at::silu(x); };
  if (name == "gelu" || name == "gelu_python")
    return [](const at::Tensor& x) { return at::gelu(x); };
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") {
    return [](const at::Tensor& x) { return at::gelu(x, "tanh"); };
  }
  if (name == "quick_gelu") return [](const at::Tensor& x) { return x * at::sigmoid(1.702 * x); };
  if (name == "relu") return [](const at::Tensor& x) { return at::relu(x); };
  if (name == "tanh") return [](const at::Tensor& x) { return at::tanh(x); };
  throw Error(ErrorKind::unsupported, fmt::format("unknown activation '{}'", name))
      .in_file(place)
      .hint("silu, gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu or tanh");
}

}  // namespace merganser::rt
