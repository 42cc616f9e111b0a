#include "kernels/convert.h"

#include <gmock/gmock.h>

#include <cstring>
#include <span>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

struct Format {
  DType dtype;
  int exponent_bits, mantissa_bits;
  bool has_infinity = true;
  int bits() const { return 1 + exponent_bits + mantissa_bits; }
  std::uint32_t codes() const { return 1u << bits(); }
  std::uint32_t sign() const { return codes() / 2; }
  std::uint32_t infinity() const {  // or e4m3's NaN: what lies past the finite numbers
    return has_infinity ? ((1u << exponent_bits) - 1) << mantissa_bits : sign() - 1;
  }
};
constexpr Format kFormats[] = {{DType::f16, 5, 10},
                               {DType::bf16, 8, 7},
                               {DType::f8_e4m3, 4, 3, false},
                               {DType::f8_e5m2, 5, 2}};

// By the definition of the format, as if finite.
double decode(const Format& f, std::uint32_t code) {
  const auto exponent = static_cast<int>((code & (f.sign() - 1)) >> f.mantissa_bits);
  const std::uint32_t mantissa = code & ((1u << f.mantissa_bits) - 1);
  const int bias = (1 << (f.exponent_bits - 1)) - 1;
  const double mag = exponent == 0 ? std::ldexp(mantissa, 1 - bias - f.mantissa_bits)
                                   : std::ldexp((1u << f.mantissa_bits) + mantissa,
                                                exponent - bias - f.mantissa_bits);
  return (code & f.sign()) != 0 ? -mag : mag;
}

// Codes as stored bytes, at an odd address.
std::vector<std::byte> pack(const Format& f, std::span<const std::uint32_t> codes) {
  const std::size_t size = size_of(f.dtype);
  std::vector<std::byte> bytes(1 + codes.size() * size);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    std::memcpy(bytes.data() + 1 + i * size, &codes[i], size);
  }
  return bytes;
}

std::vector<std::uint32_t> all_codes(const Format& f) {
  std::vector<std::uint32_t> codes(f.codes());
  for (std::uint32_t code = 0; code < f.codes(); ++code) codes[code] = code;
  return codes;
}

template <class T>
class Convert : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Convert, Types);

TYPED_TEST(Convert, EveryValueBothWays) {
  using T = TypeParam;
  on_every_target([] {
    for (const Format& f : kFormats) {
      SCOPED_TRACE(torch_name(f.dtype));
      const auto codes = all_codes(f);
      const auto stored = pack(f, codes);
      std::vector<T> wide(codes.size());
      widen(f.dtype, stored.data() + 1, wide.data(), wide.size());
      for (const std::uint32_t code : codes) {
        const std::uint32_t mag = code & (f.sign() - 1);
        if (mag < f.infinity()) {
          ASSERT_TRUE(same(wide[code], static_cast<T>(decode(f, code)))) << code;
        } else if (mag == f.infinity() && f.has_infinity) {
          ASSERT_EQ(wide[code], (code & f.sign()) != 0 ? -INFINITY : INFINITY);
        } else {
          ASSERT_TRUE(std::isnan(wide[code])) << code;
        }
      }
      std::vector<std::byte> back(stored.size());
      narrow(wide.data(), f.dtype, back.data() + 1, wide.size());
      ASSERT_EQ(back, stored);  // NaN payloads too
    }
  });
}

// Inputs around every point where the rounding turns, with the code each must get.
template <class T>
void add_midpoints(const Format& f, std::vector<T>& inputs, std::vector<std::uint32_t>& codes) {
  const T inf = std::numeric_limits<T>::infinity();
  const auto expect = [&](T x, std::uint32_t code) {
    inputs.push_back(x);
    codes.push_back(code);
    inputs.push_back(-x);
    codes.push_back(code | f.sign());
  };
  for (std::uint32_t code = 0; code < f.infinity(); ++code) {
    const double a = decode(f, code), b = decode(f, code + 1);
    const auto middle = static_cast<T>((a + b) / 2);
    ASSERT_EQ(static_cast<double>(middle), (a + b) / 2);
    expect(static_cast<T>(a), code);
    expect(std::nextafter(middle, T{0}), code);
    expect(middle, code + code % 2);
    expect(std::nextafter(middle, inf), code + 1);
    expect(std::nextafter(static_cast<T>(a), inf), code);
    if (a > 0) expect(std::nextafter(static_cast<T>(a), T{0}), code);
  }
  expect(std::numeric_limits<T>::max(), f.infinity());
  expect(inf, f.infinity());
  expect(std::numeric_limits<T>::denorm_min(), 0);
  expect(std::numeric_limits<T>::min(), f.dtype == DType::bf16 && sizeof(T) == 4 ? 0x80 : 0);
}

TYPED_TEST(Convert, RoundsOnceToNearestEven) {
  using T = TypeParam;
  for (const Format& f : kFormats) {
    SCOPED_TRACE(torch_name(f.dtype));
    std::vector<T> inputs;
    std::vector<std::uint32_t> codes;
    add_midpoints(f, inputs, codes);
    const auto expected = pack(f, codes);
    on_every_target([&] {
      std::vector<std::byte> out(expected.size());
      narrow(inputs.data(), f.dtype, out.data() + 1, inputs.size());
      ASSERT_EQ(out, expected);
    });
  }
}

// Halfway between two bf16 numbers but for a bit that a float cannot hold.
TEST(ConvertDouble, DoesNotRoundTwice) {
  const std::vector<double> x(40, 1 + std::ldexp(1, -8) + std::ldexp(1, -40));
  std::vector<std::uint16_t> out(40);
  on_every_target([&] {
    narrow(x.data(), DType::bf16, reinterpret_cast<std::byte*>(out.data()), out.size());
    EXPECT_THAT(out, ::testing::Each(0x3F81));
  });
}

TEST(ConvertNarrow, F8E4M3PastItsLargest) {
  const float x[] = {448, 464, std::nextafter(464.f, 500.f), 480, 1e9f, INFINITY, -1e9f, NAN};
  std::uint8_t out[8];
  narrow(x, DType::f8_e4m3, reinterpret_cast<std::byte*>(out), 8);
  EXPECT_THAT(out, ::testing::ElementsAre(0x7E, 0x7E, 0x7F, 0x7F, 0x7F, 0x7F, 0xFF, 0x7F));
}

template <class T>
std::vector<T> any_bits(std::size_t n) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::mt19937_64 generator(n);
  std::vector<T> values(n);
  for (T& x : values) {
    auto bits = static_cast<Bits>(generator());
    if (generator() % 4 == 0) bits |= std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
    if (generator() % 4 == 0) bits &= ~(~Bits{0} >> 8) | 0xFF;  // hardly a payload
    x = std::bit_cast<T>(bits);
  }
  return values;
}

// Bytes are compared: NaNs have one defined result here.
TYPED_TEST(Convert, EqualsTheReference) {
  using T = TypeParam;
  auto sizes = test_sizes();
  sizes.push_back(200000);
  on_every_target([&] {
    for (const DType dtype :
         {DType::f64, DType::f32, DType::f16, DType::bf16, DType::f8_e4m3, DType::f8_e5m2}) {
      SCOPED_TRACE(torch_name(dtype));
      for (const std::size_t n : sizes) {
        const auto in = any_bits<T>(n);
        const std::size_t bytes = n * size_of(dtype);
        std::vector<std::byte> fast(bytes + 2), slow(bytes + 2);
        narrow(in.data(), dtype, fast.data() + 1, n);
        reference::narrow(in.data(), dtype, slow.data() + 1, n);
        ASSERT_EQ(fast, slow) << n;
        if (dtype == DType::f64 && sizeof(T) == 4) continue;
        std::vector<T> wide_fast(n), wide_slow(n);
        widen(dtype, fast.data() + 1, wide_fast.data(), n);
        reference::widen(dtype, slow.data() + 1, wide_slow.data(), n);
        ASSERT_EQ(n == 0 ? 0 : std::memcmp(wide_fast.data(), wide_slow.data(), n * sizeof(T)), 0);
      }
    }
  });
}

// f32 through double and back keeps every bit, signalling NaNs included.
TEST(ConvertDouble, FloatsSurvive) {
  const auto in = any_bits<float>(5000);
  std::vector<double> wide(in.size());
  std::vector<float> out(in.size());
  on_every_target([&] {
    widen(DType::f32, reinterpret_cast<const std::byte*>(in.data()), wide.data(), in.size());
    narrow(wide.data(), DType::f32, reinterpret_cast<std::byte*>(out.data()), out.size());
    ASSERT_EQ(std::memcmp(in.data(), out.data(), in.size() * sizeof(float)), 0);
  });
}

}  // namespace
}  // namespace merganser
