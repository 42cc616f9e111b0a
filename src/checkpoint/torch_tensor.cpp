#include "checkpoint/torch_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace merganser::torch_objects {
namespace {

using pickle::Id;
using pickle::Kind;
using pickle::Values;

constexpr std::size_t kMostDimensions = 64;
constexpr int kMostWrappings = 16;
constexpr std::size_t kMostArguments = 16;
// A view may repeat what is stored (expand()), so that a small file stands for a large tensor.
constexpr std::uint64_t kMostRepeated = std::uint64_t{1} << 30;  // bytes

struct StorageType {
  std::string_view name, dtype;
  std::size_t size;
};

// The storage classes that PyTorch writes; those of dtypes that merganser has not are here for
// their sizes.
constexpr std::array<StorageType, 19> kStorageTypes = {{
    {"DoubleStorage", "float64", 8},
    {"FloatStorage", "float32", 4},
    {"HalfStorage", "float16", 2},
    {"BFloat16Storage", "bfloat16", 2},
    {"LongStorage", "int64", 8},
    {"IntStorage", "int32", 4},
    {"ShortStorage", "int16", 2},
    {"CharStorage", "int8", 1},
    {"ByteStorage", "uint8", 1},
    {"BoolStorage", "bool", 1},
    {"UntypedStorage", "uint8", 1},
    {"_UntypedStorage", "uint8", 1},
    {"ComplexDoubleStorage", "complex128", 16},
    {"ComplexFloatStorage", "complex64", 8},
    {"QInt8Storage", "qint8", 1},
    {"QInt32Storage", "qint32", 4},
    {"QUInt8Storage", "quint8", 1},
    {"QUInt4x2Storage", "quint4x2", 1},
    {"QUInt2x4Storage", "quint2x4", 1},
}};

Error corrupt(std::string what) { return Error(ErrorKind::corrupt, std::move(what)); }

Error unsupported_dtype(std::string_view dtype) {
  Error error(ErrorKind::unsupported,
              fmt::format("element type '{}' is not one this program reads", dtype.substr(0, 40)));
  error.hint("save the checkpoint in bfloat16, float16 or float32");
  return error;
}

const StorageType* storage_type(const Values& values, Id id) {
  for (const StorageType& type : kStorageTypes) {
    for (const std::string_view module : {"torch", "torch.storage", "torch.cuda"}) {
      if (values.is_global(id, module, type.name)) return &type;
    }
  }
  return nullptr;
}

// A number that is not negative, below 2^59 so that sums and products with small ones cannot wrap.
std::uint64_t natural(const Values& values, Id id, std::string_view what) {
  const auto number = values.integer(id);
  if (!number) throw corrupt(fmt::format("its {} is {}, not a number", what, values.describe(id)));
  if (*number < 0) throw corrupt(fmt::format("its {} is negative: {}", what, *number));
  if (*number >= std::int64_t{1} << 59) {
    throw corrupt(fmt::format("its {} is absurd: {}", what, *number));
  }
  return static_cast<std::uint64_t>(*number);
}

std::vector<std::uint64_t> naturals(const Values& values, Id id, std::string_view what) {
  const Id function = values.function(id);
  if (values.is_global(function, "torch", "Size") && values.count(values.arguments(id)) == 1) {
    id = values.items(values.arguments(id)).front();
  }
  if (!values.is(id, Kind::tuple) && !values.is(id, Kind::list)) {
    throw corrupt(fmt::format("its {} are {}, not a tuple", what, values.describe(id)));
  }
  if (values.count(id) > kMostDimensions) {
    throw corrupt(fmt::format("its {} are more than {}", what, kMostDimensions));
  }
  std::vector<std::uint64_t> result;
  const std::string_view one = what.substr(0, what.size() - 1);
  for (const Id item : values.items(id)) result.push_back(natural(values, item, one));
  return result;
}

// What a function that rebuilds a tensor makes, if it is one whose elements are not simply there.
std::string foreign_kind(const std::string& function) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kinds = {{
      {"_rebuild_sparse", "a sparse tensor"},
      {"_rebuild_qtensor", "a quantised tensor"},
      {"_rebuild_meta", "a meta tensor, without values"},
      {"_rebuild_nested", "a nested tensor"},
      {"_rebuild_njt", "a nested tensor"},
      {"_rebuild_wrapper", "a tensor of a class of its own, without a storage"},
      {"_rebuild_device", "a tensor of another device"},
      {"_rebuild_xla", "a tensor of another device"},
  }};
  const std::string last = function.substr(function.rfind('.') + 1);
  for (const auto& [start, kind] : kinds) {
    if (last.starts_with(start)) return fmt::format("{} ({})", kind, function);
  }
  return fmt::format("a tensor of an unknown kind ({})", function);
}

TensorCall foreign(std::string why) {
  TensorCall call;
  call.kind = TensorCall::Kind::foreign;
  call.why = std::move(why);
  return call;
}

// The arguments by position: (storage, offset, size, stride[, requires_grad, hooks[, dtype]][,
// metadata]).
TensorCall plain(const std::vector<Id>& arguments, bool typed, const std::string& function) {
  const std::size_t least = typed ? 7 : 4, most = typed ? 8 : 7;
  if (arguments.size() < least || arguments.size() > most) {
    return foreign(fmt::format("{} with {} arguments", function, arguments.size()));
  }
  TensorCall call;
  call.kind = TensorCall::Kind::plain;
  call.storage = arguments[0];
  call.offset = arguments[1];
  call.size = arguments[2];
  call.stride = arguments[3];
  call.dtype = typed ? arguments[6] : Values::kNone;
  call.metadata = arguments.size() == most ? arguments.back() : Values::kNone;
  return call;
}

}  // namespace

std::optional<Storage> storage_of(const Values& values, Id id) {
  const Id reference = values.reference(id);
  const std::size_t parts = values.count(reference);
  if (!values.is(reference, Kind::tuple) || parts < 5 || parts > 6) return std::nullopt;
  const std::vector<Id> items = values.items(reference);
  const StorageType* type = storage_type(values, items[1]);
  const auto count = values.integer(items[4]);
  if (values.text(items[0]) != "storage" || type == nullptr || !values.is(items[2], Kind::text) ||
      !count || *count < 0 || *count >= std::int64_t{1} << 59) {
    return std::nullopt;
  }
  Storage storage;
  storage.key = values.text(items[2]);
  storage.dtype = type->dtype;
  storage.element = from_torch_name(type->dtype);
  storage.element_size = type->size;
  storage.count = storage.view_count = static_cast<std::uint64_t>(*count);
  if (parts == 6 && items[5] != Values::kNone) {  // (key of the view, first element, elements)
    if (values.count(items[5]) != 3) return std::nullopt;
    const std::vector<Id> view = values.items(items[5]);
    const auto begin = values.integer(view[1]), size = values.integer(view[2]);
    if (!begin || !size || *begin < 0 || *size < 0 || *begin > *count || *size > *count - *begin) {
      return std::nullopt;
    }
    storage.view_begin = static_cast<std::uint64_t>(*begin);
    storage.view_count = static_cast<std::uint64_t>(*size);
  }
  return storage;
}

TensorCall tensor_call(const Values& values, Id id) {
  if (!values.is(id, Kind::call)) return {};
  Id function = values.function(id), arguments_id = values.arguments(id);
  for (int i = 0; i < kMostWrappings; ++i) {
    const auto is = [&](std::string_view module, std::string_view name) {
      return values.is_global(function, module, name);
    };
    if (!values.is(function, Kind::global)) return {};
    const bool fits = values.count(arguments_id) <= kMostArguments;
    const std::vector<Id> arguments = fits ? values.items(arguments_id) : std::vector<Id>();
    if (is("torch._tensor", "_rebuild_from_type_v2") || is("torch._tensor", "_rebuild_from_type") ||
        is("torch.tensor", "_rebuild_from_type")) {
      if (arguments.size() < 3) return foreign("a tensor of a class of its own, without arguments");
      function = arguments[0];
      arguments_id = arguments[2];
      continue;
    }
    const std::string name = values.global_name(function);
    if (is("torch._utils", "_rebuild_parameter") ||
        is("torch._utils", "_rebuild_parameter_with_state") ||
        is("torch.nn.parameter", "Parameter") || is("torch.nn", "Parameter")) {
      if (arguments.empty() || !values.is(arguments[0], Kind::call)) {
        return foreign(fmt::format("{} of no tensor", name));
      }
      function = values.function(arguments[0]);
      arguments_id = values.arguments(arguments[0]);
      continue;
    }
    if (is("torch._utils", "_rebuild_tensor") || is("torch._utils", "_rebuild_tensor_v2")) {
      return plain(arguments, false, name);
    }
    if (is("torch._utils", "_rebuild_tensor_v3")) return plain(arguments, true, name);
    const bool rebuilds = name.starts_with("torch.") && name.find("._rebuild_") != name.npos;
    if (rebuilds || i > 0) return foreign(foreign_kind(name));
    return {};
  }
  return foreign("a tensor that is wrapped too often");
}

Tensor make_tensor(const Values& values, const TensorCall& call) {
  const auto storage = storage_of(values, call.storage);
  if (!storage) {
    throw corrupt(fmt::format("its storage is {}, not one that PyTorch writes",
                              values.is(call.storage, Kind::persistent)
                                  ? "of an unknown form"
                                  : values.describe(call.storage)));
  }
  // Lazy conjugates and negatives, which only complex tensors have.
  if (call.metadata != Values::kNone && values.count(call.metadata) != 0) {
    throw Error(ErrorKind::unsupported, "its values are not those stored (conjugate or negative)")
        .hint("save tensor.resolve_conj().resolve_neg().clone()");
  }
  Tensor tensor;
  tensor.storage = *storage;
  std::optional<DType> dtype = storage->element;
  std::string dtype_name(storage->dtype);
  if (call.dtype != Values::kNone) {
    dtype_name = values.global_name(call.dtype);
    dtype = dtype_name.starts_with("torch.") ? from_torch_name(dtype_name) : std::nullopt;
  }
  if (!dtype) throw unsupported_dtype(dtype_name);
  tensor.info.dtype = *dtype;
  tensor.info.shape = naturals(values, call.size, "dimensions");
  tensor.strides = naturals(values, call.stride, "strides");
  if (tensor.strides.size() != tensor.info.shape.size()) {
    throw corrupt(fmt::format("shape {} has {} strides", to_string(tensor.info.shape),
                              tensor.strides.size()));
  }
  const std::uint64_t bytes = tensor.info.bytes();  // throws where the product overflows
  const std::uint64_t size = size_of(*dtype);
  const std::uint64_t room = storage->view_count * storage->element_size / size;  // elements
  const std::uint64_t offset = natural(values, call.offset, "offset");

  std::uint64_t last = offset;  // element of the storage
  bool contiguous = true;
  std::uint64_t expected = 1;
  if (bytes != 0) {
    for (std::size_t i = tensor.info.shape.size(); i-- > 0;) {
      const std::uint64_t steps = tensor.info.shape[i] - 1, stride = tensor.strides[i];
      if (steps == 0) continue;
      if (stride > (room - std::min(last, room)) / steps) last = room;  // beyond the end
      if (last < room) last += steps * stride;
      contiguous &= stride == expected;
      expected *= tensor.info.shape[i];
    }
    if (last >= room) {
      throw corrupt(
          fmt::format("its view (shape {}, strides {}, offset {}) reaches beyond its "
                      "storage of {} elements",
                      to_string(tensor.info.shape), to_string(tensor.strides), offset, room));
    }
    if (bytes > storage->count * storage->element_size + kMostRepeated) {
      throw Error(ErrorKind::unsupported,
                  fmt::format("a view of {} bytes that repeats the {} stored ones", bytes,
                              storage->count * storage->element_size))
          .hint("save tensor.contiguous()");
    }
  }
  if (contiguous) tensor.strides.clear();
  // An empty tensor may point anywhere; it is never read.
  tensor.begin = bytes == 0 ? 0 : storage->view_begin * storage->element_size + offset * size;
  return tensor;
}

}  // namespace merganser::torch_objects
