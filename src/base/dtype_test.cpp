#include "base/dtype.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace merganser {
namespace {

constexpr DType kAll[] = {DType::f64,     DType::f32, DType::f16, DType::bf16, DType::f8_e4m3,
                          DType::f8_e5m2, DType::i64, DType::i32, DType::i16,  DType::i8,
                          DType::u64,     DType::u32, DType::u16, DType::u8,   DType::boolean};

TEST(DType, NamesGoThereAndBack) {
  std::set<std::string_view> names;
  for (const DType dtype : kAll) {
    EXPECT_EQ(from_safetensors_name(safetensors_name(dtype)), dtype);
    EXPECT_EQ(from_torch_name(torch_name(dtype)), dtype);
    EXPECT_EQ(from_torch_name("torch." + std::string(torch_name(dtype))), dtype);
    names.insert(safetensors_name(dtype));
    names.insert(torch_name(dtype));
  }
  EXPECT_EQ(names.size(), 2 * std::size(kAll));
  EXPECT_EQ(safetensors_name(DType::bf16), "BF16");
  EXPECT_EQ(safetensors_name(DType::boolean), "BOOL");
  EXPECT_EQ(torch_name(DType::f8_e4m3), "float8_e4m3fn");
}

TEST(DType, UnknownNames) {
  for (const char* name : {"", "bf16", "F4", "F8_E8M0", "C64", "F8_E4M3FNUZ", "bfloat16"}) {
    EXPECT_EQ(from_safetensors_name(name), std::nullopt) << name;
  }
  for (const char* name : {"", "torch.", "BF16", "torch.torch.bfloat16", "auto"}) {
    EXPECT_EQ(from_torch_name(name), std::nullopt) << name;
  }
}

TEST(DType, SizesAndKinds) {
  EXPECT_EQ(size_of(DType::f64), 8u);
  EXPECT_EQ(size_of(DType::bf16), 2u);
  EXPECT_EQ(size_of(DType::f8_e5m2), 1u);
  EXPECT_EQ(size_of(DType::u16), 2u);
  EXPECT_EQ(size_of(DType::boolean), 1u);
  EXPECT_TRUE(is_float(DType::f8_e4m3));
  EXPECT_FALSE(is_float(DType::i8));
  EXPECT_FALSE(is_float(DType::boolean));
}

TEST(DType, PromoteHoldsBothInEitherOrder) {
  const DType floats[] = {DType::f64,  DType::f32,     DType::f16,
                          DType::bf16, DType::f8_e4m3, DType::f8_e5m2};
  for (const DType a : floats) {
    EXPECT_EQ(promote(a, a), a);
    for (const DType b : floats) {
      EXPECT_EQ(promote(a, b), promote(b, a));
      EXPECT_GE(size_of(promote(a, b)), std::max(size_of(a), size_of(b)));
    }
  }
  EXPECT_EQ(promote(DType::f16, DType::bf16), DType::f32);
  EXPECT_EQ(promote(DType::f8_e4m3, DType::f8_e5m2), DType::f16);
  EXPECT_EQ(promote(DType::f8_e5m2, DType::bf16), DType::bf16);
  EXPECT_EQ(promote(DType::f32, DType::f64), DType::f64);
}

}  // namespace
}  // namespace merganser
