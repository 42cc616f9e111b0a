#include "base/dtype.h"

#include <array>
#include <utility>

namespace merganser {
namespace {

struct Row {
  DType dtype;
  std::size_t size;
  bool floating;
  std::string_view safetensors, torch;
};

constexpr std::array<Row, 15> kRows = {{
    {DType::f64, 8, true, "F64", "float64"},
    {DType::f32, 4, true, "F32", "float32"},
    {DType::f16, 2, true, "F16", "float16"},
    {DType::bf16, 2, true, "BF16", "bfloat16"},
    {DType::f8_e4m3, 1, true, "F8_E4M3", "float8_e4m3fn"},
    {DType::f8_e5m2, 1, true, "F8_E5M2", "float8_e5m2"},
    {DType::i64, 8, false, "I64", "int64"},
    {DType::i32, 4, false, "I32", "int32"},
    {DType::i16, 2, false, "I16", "int16"},
    {DType::i8, 1, false, "I8", "int8"},
    {DType::u64, 8, false, "U64", "uint64"},
    {DType::u32, 4, false, "U32", "uint32"},
    {DType::u16, 2, false, "U16", "uint16"},
    {DType::u8, 1, false, "U8", "uint8"},
    {DType::boolean, 1, false, "BOOL", "bool"},
}};

const Row& row(DType dtype) { return kRows[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::size_t size_of(DType dtype) { return row(dtype).size; }
bool is_float(DType dtype) { return row(dtype).floating; }
std::string_view safetensors_name(DType dtype) { return row(dtype).safetensors; }
std::string_view torch_name(DType dtype) { return row(dtype).torch; }

std::optional<DType> from_safetensors_name(std::string_view name) {
  for (const Row& r : kRows) {
    if (r.safetensors == name) return r.dtype;
  }
  return std::nullopt;
}

std::optional<DType> from_torch_name(std::string_view name) {
  if (name.starts_with("torch.")) name.remove_prefix(6);
  for (const Row& r : kRows) {
    if (r.torch == name) return r.dtype;
  }
  return std::nullopt;
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (size_of(a) < size_of(b)) std::swap(a, b);
  if (size_of(a) > size_of(b)) return a;
  return size_of(a) == 2 ? DType::f32 : DType::f16;  // bf16 with f16; e4m3 with e5m2
}

}  // namespace merganser
