// Element types of stored tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace merganser {

enum class DType : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  f8_e4m3,
  f8_e5m2,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean,
};

std::size_t size_of(DType dtype);  // bytes an element
bool is_float(DType dtype);

std::string_view safetensors_name(DType dtype);  // "BF16"
std::string_view torch_name(DType dtype);        // "bfloat16"
std::optional<DType> from_safetensors_name(std::string_view name);
// Accepts "bfloat16" and "torch.bfloat16".
std::optional<DType> from_torch_name(std::string_view name);

// The smallest float type that holds both: f16 with bf16 gives f32, f8 of two kinds gives f16
// (every e4m3 and e5m2 number is an f16 number).
DType promote(DType a, DType b);

}  // namespace merganser
