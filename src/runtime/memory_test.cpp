#include "runtime/memory.h"

#include <gmock/gmock.h>

#include "base/file_memory.h"
#include "runtime/testing.h"

namespace merganser::rt {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

// Has headers, and no bytes: to read it would be a failure of the test.
class HeadersOnly final : public Source {
 public:
  explicit HeadersOnly(std::vector<TensorInfo> headers) : headers_(std::move(headers)) {}
  std::string label() const override { return "huge"; }
  const std::vector<TensorInfo>& headers() const override { return headers_; }
  void read(std::size_t, std::uint64_t, std::span<std::byte>) const override { ADD_FAILURE(); }

 private:
  std::vector<TensorInfo> headers_;
};

TEST(Memory, CountsFloatsInTheTypeOfTheModel) {
  const std::vector<TensorInfo> tensors = {
      {"a", DType::bf16, {3, 5}}, {"b", DType::i64, {1000}}, {"c", DType::f64, {}}};
  EXPECT_EQ(bytes_of(tensors, at::kFloat), 16u * 4);
  EXPECT_EQ(bytes_of(tensors, at::kBFloat16), 16u * 2);
}

TEST(Memory, SumsBeyondAllMemoryDoNotWrap) {
  const std::vector<TensorInfo> tensors(100, {"a", DType::f32, {std::uint64_t{1} << 59}});
  EXPECT_GT(bytes_of(tensors, at::kFloat), std::uint64_t{1} << 62);
}

TEST(Memory, RefusesWhatDoesNotFit) {
  if (!free_memory()) GTEST_SKIP() << "the system does not tell its free memory";
  const HeadersOnly huge({{"a", DType::f32, {1u << 20, 1u << 30}}});
  const auto refused = [&](at::ScalarType dtype, at::Device device) {
    return std::string(
        error_of([&] { need_memory(huge, {.device = device, .dtype = dtype}); }).what());
  };
  EXPECT_THAT(refused(at::kFloat, at::kCPU),
              HasSubstr("huge: not enough memory: its weights take 4.50 PB, "));
  EXPECT_THAT(refused(at::kFloat, at::kCPU), HasSubstr("--compute-dtype bfloat16"));
  EXPECT_THAT(refused(at::kBFloat16, at::kCPU), HasSubstr("2.25 PB"));
  EXPECT_NO_THROW(need_memory(huge, {.device = at::kCUDA, .dtype = at::kFloat}));
  EXPECT_NO_THROW(need_memory(HeadersOnly({{"a", DType::f32, {100}}}), {}));
}

}  // namespace
}  // namespace merganser::rt
