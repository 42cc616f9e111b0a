#include "runtime/placement.h"

#include "base/error.h"

namespace merganser::rt {
namespace {

at::ScalarType parse_dtype(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "float64") return at::kDouble;
  if (name == "bfloat16") return at::kBFloat16;
  if (name == "float16") return at::kHalf;
  throw Error(ErrorKind::usage, "unknown type '" + name + "' to compute in")
      .hint("float32, float64, bfloat16 or float16");
}

at::Device parse_device(const std::string& name) {
  try {
    const at::Device device(name);
    at::empty({1}, at::TensorOptions().device(device));
    return device;
  } catch (const c10::Error&) {
    throw Error(ErrorKind::usage, "there is no device '" + name + "' for this libtorch")
        .hint("cpu, or cuda, cuda:1, … with a CUDA build of libtorch and a GPU");
  }
}

}  // namespace

Placement parse_placement(const std::string& device, const std::string& dtype) {
  return {parse_device(device.empty() ? "cpu" : device),
          dtype.empty() ? at::kFloat : parse_dtype(dtype)};
}

}  // namespace merganser::rt
