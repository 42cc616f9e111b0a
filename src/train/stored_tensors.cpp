#include "train/stored_tensors.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shards.h"
#include "runtime/weights.h"

namespace merganser::rt {
namespace {

constexpr std::uint64_t kMaxShard = 5'000'000'000;  // bytes of data, as merges split

DType dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return DType::f64;
    case at::kHalf:
      return DType::f16;
    case at::kBFloat16:
      return DType::bf16;
    default:
      return DType::f32;
  }
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return std::as_bytes(std::span(static_cast<const char*>(tensor.const_data_ptr()),
                                 static_cast<std::size_t>(tensor.nbytes())));
}

// On the CPU, in the stored type.
at::Tensor prepared(const std::string& name, const at::Tensor& values, at::ScalarType type) {
  const at::Tensor made = values.detach().cpu().to(type).contiguous();
  const bool narrow = c10::elementSize(type) < 4;
  // f8 has no isfinite: what overflows in it is NaN in f32 too.
  const at::Tensor shown = narrow ? made.to(at::kFloat) : made;
  if (shown.isfinite().all().item<bool>()) return made;
  throw Error(ErrorKind::mismatch, "training made a value that is not finite").in_tensor(name);
}

at::Tensor read_stored(const Source& source, std::size_t index) {
  const TensorInfo& info = source.headers()[index];
  const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.end());
  at::Tensor tensor = at::empty(shape, scalar_type(source.read_dtype(index)));
  source.read(index, 0,
              std::as_writable_bytes(std::span(static_cast<char*>(tensor.data_ptr()),
                                               static_cast<std::size_t>(tensor.nbytes()))));
  return tensor.to(scalar_type(info.dtype));
}

std::vector<TensorInfo> infos_of(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<TensorInfo> infos;
  for (const auto& [name, tensor] : tensors) {
    infos.push_back({name, dtype_of(tensor.scalar_type()),
                     Shape(tensor.sizes().begin(), tensor.sizes().end())});
  }
  return infos;
}

// The changed tensor that this one was a copy of, in the base.
const at::Tensor* tied_to(const Source& base, std::size_t index,
                          const std::map<std::string, at::Tensor>& changed) {
  const TensorInfo& info = base.headers()[index];
  if (!is_float(info.dtype) || info.size() == 0) return nullptr;
  std::optional<at::Tensor> own;
  for (std::size_t i = 0; i < base.headers().size(); ++i) {
    const TensorInfo& other = base.headers()[i];
    const auto found = changed.find(other.name);
    if (found == changed.end() || other.shape != info.shape || other.dtype != info.dtype) continue;
    if (!own) own = read_stored(base, index);
    if (at::equal(*own, read_stored(base, i))) return &found->second;
  }
  return nullptr;
}

}  // namespace

void write_tensors(const std::filesystem::path& folder, const std::string& file,
                   const std::map<std::string, at::Tensor>& tensors) {
  const std::vector<TensorInfo> infos = infos_of(tensors);
  const ShardPlan plan = plan_shards(infos, std::numeric_limits<std::uint64_t>::max(), file);
  ShardWriter writer(plan, folder);
  std::size_t index = 0;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor made = prepared(name, tensor, tensor.scalar_type());
    writer.write(index++, 0, bytes_of(made));
  }
  writer.sync();
}

void write_weights(const std::filesystem::path& folder, const Source& base,
                   const std::map<std::string, at::Tensor>& changed,
                   const std::set<std::string>& read) {
  const std::vector<TensorInfo>& infos = base.headers();
  const ShardPlan plan = plan_shards(infos, kMaxShard);
  ShardWriter writer(plan, folder);
  for (std::size_t i = 0; i < infos.size(); ++i) {
    const auto found = changed.find(infos[i].name);
    const at::Tensor* values = found == changed.end() ? nullptr : &found->second;
    if (values == nullptr && !read.contains(infos[i].name)) values = tied_to(base, i, changed);
    const at::Tensor made = values == nullptr
                                ? read_stored(base, i)
                                : prepared(infos[i].name, *values, scalar_type(infos[i].dtype));
    writer.write(i, 0, bytes_of(made));
  }
  writer.sync();
  if (plan.indexed()) {
    write_text(folder / "model.safetensors.index.json", plan.index_text(infos));
  }
}

std::string tensor_file(const std::map<std::string, at::Tensor>& tensors) {
  std::string text = safetensors::make_header(infos_of(tensors), {{"format", "pt"}});
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor made = prepared(name, tensor, tensor.scalar_type());
    text.append(static_cast<const char*>(made.const_data_ptr()),
                static_cast<std::size_t>(made.nbytes()));
  }
  return text;
}

}  // namespace merganser::rt
