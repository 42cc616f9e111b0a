#include "adapter/lora_source.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <random>
#include <thread>

#include "adapter/testing.h"
#include "kernels/convert.h"

namespace merganser {
namespace {

using test::TemporaryFolder;
using test::TestTensor;

using Numbers = std::vector<float>;

Numbers random(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Numbers values(n);
  for (float& x : values) x = normal(generator);
  return values;
}

TestTensor f32(const std::string& name, const Shape& shape, const Numbers& values) {
  return {name, DType::f32, shape, test::bytes_of(values)};
}

template <class T>
std::vector<std::byte> bytes(const std::vector<T>& values) {
  const auto* begin = reinterpret_cast<const std::byte*>(values.data());
  return {begin, begin + values.size() * sizeof(T)};
}

// A base of one tensor "w.weight" and an adapter, as a source.
struct Model {
  TemporaryFolder folder;
  std::shared_ptr<MemorySource> base = std::make_shared<MemorySource>("base");

  std::shared_ptr<const LoraSource> with(const std::string& more,
                                         const std::vector<TestTensor>& tensors,
                                         double factor = 1) {
    test::write_adapter(folder.path(), more, tensors);
    return LoraSource::open(base, Adapter::open(folder.path()), factor,
                            [](const std::string&) { return std::vector<std::string>(); });
  }
};

template <class T = float>
std::vector<T> read(const Source& source, std::size_t tensor = 0) {
  std::vector<T> values(source.headers()[tensor].size());
  const auto out = std::as_writable_bytes(std::span(values));
  source.read(tensor, 0, out);
  return values;
}

// base + s * B A in f64, of row-major factors.
std::vector<double> adapted(const Numbers& base, const Numbers& a, const Numbers& b,
                            std::size_t rank, double s) {
  const std::size_t rows = b.size() / rank, columns = a.size() / rank;
  std::vector<double> out(base.begin(), base.end());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      double sum = 0;
      for (std::size_t k = 0; k < rank; ++k) {
        sum += double{b[row * rank + k]} * double{a[k * columns + column]};
      }
      out[row * columns + column] += s * sum;
    }
  }
  return out;
}

std::vector<double> turned(const std::vector<double>& matrix, std::size_t rows) {
  const std::size_t columns = matrix.size() / rows;
  std::vector<double> out(matrix.size());
  for (std::size_t i = 0; i < matrix.size(); ++i) out[i % columns * rows + i / columns] = matrix[i];
  return out;
}

// f32 sums of a few products of numbers near 1: each of some 10 operations rounds at 2^-24 of
// numbers below 16.
constexpr double kTolerance = 1e-5;

void expect_near(const Numbers& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], kTolerance) << i;
  }
}

const std::string kConfig = R"(, "r": 3, "lora_alpha": 6)";  // s = 2

TEST(LoraSource, LinearOfABf16Base) {
  const Numbers a = random(3 * 40, 1), b = random(50 * 3, 2);
  Numbers w = random(50 * 40, 3);
  std::vector<std::byte> stored(w.size() * 2);
  narrow(w.data(), DType::bf16, stored.data(), w.size());
  widen(DType::bf16, stored.data(), w.data(), w.size());
  Model model;
  model.base->add({"w.weight", DType::bf16, {50, 40}}, stored);
  const auto source =
      model.with(kConfig, {f32("w.lora_A.weight", {3, 40}, a), f32("w.lora_B.weight", {50, 3}, b)});
  EXPECT_EQ(source->headers()[0].dtype, DType::bf16);
  EXPECT_EQ(source->read_dtype(0), DType::f32);
  EXPECT_EQ(source->bytes_to_read(0), 50 * 40 * 2 + (40 + 50) * 3 * 4u);
  const Numbers whole = read(*source);
  expect_near(whole, adapted(w, a, b, 3, 2));
  // Any range of bytes, from any thread, is a part of the whole.
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t begin = t; begin < whole.size() * 4; begin += 997) {
        std::vector<std::byte> part(std::min<std::size_t>(1501, whole.size() * 4 - begin));
        source->read(0, begin, part);
        EXPECT_EQ(std::memcmp(part.data(), reinterpret_cast<const char*>(whole.data()) + begin,
                              part.size()),
                  0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(LoraSource, TransposedEmbeddingAndConvolution) {
  const Numbers a = random(3 * 8, 1), b = random(6 * 3, 2), w = random(48, 3);
  const std::vector<double> change = adapted(Numbers(48), a, b, 3, 2);
  const auto sum = [&](const std::vector<double>& x) {
    std::vector<double> out(w.begin(), w.end());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += x[i];
    return out;
  };
  {
    Model model;
    model.base->add({"w.weight", DType::f32, {8, 6}}, bytes(w));
    expect_near(read(*model.with(kConfig, {f32("w.lora_A.weight", {3, 8}, a),
                                           f32("w.lora_B.weight", {6, 3}, b)})),
                sum(turned(change, 6)));
  }
  {
    Model model;
    model.base->add({"w.weight", DType::f32, {8, 6}}, bytes(w));
    expect_near(read(*model.with(kConfig, {f32("w.lora_embedding_A", {3, 8}, a),
                                           f32("w.lora_embedding_B", {6, 3}, b)})),
                sum(turned(change, 6)));
  }
  {
    Model model;
    model.base->add({"w.weight", DType::f32, {6, 2, 2, 2}}, bytes(w));
    expect_near(read(*model.with(kConfig, {f32("w.lora_A.weight", {3, 2, 2, 2}, a),
                                           f32("w.lora_B.weight", {6, 3, 1, 1}, b)})),
                sum(change));
  }
}

TEST(LoraSource, F64StaysF64) {
  const Numbers a = random(3 * 8, 1), b = random(6 * 3, 2), w = random(48, 3);
  Model model;
  model.base->add({"w.weight", DType::f64, {6, 8}}, bytes(std::vector<double>(w.begin(), w.end())));
  const auto source =
      model.with(kConfig, {f32("w.lora_A.weight", {3, 8}, a), f32("w.lora_B.weight", {6, 3}, b)});
  ASSERT_EQ(source->read_dtype(0), DType::f64);
  const std::vector<double> found = read<double>(*source), expected = adapted(w, a, b, 3, 2);
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-14);
}

TEST(LoraSource, DoraByRowAndByColumn) {
  const Numbers a = random(3 * 8, 1), b = random(6 * 3, 2), w = random(48, 3);
  const Numbers m6 = random(6, 4), m8 = random(8, 5);
  const std::string config = kConfig + R"(, "use_dora": true)";
  // Of a matrix [rows, 48 / rows], each row to the length of its magnitude.
  const auto scaled = [](std::vector<double> matrix, const Numbers& m) {
    const std::size_t columns = matrix.size() / m.size();
    for (std::size_t row = 0; row < m.size(); ++row) {
      double norm = 0;
      for (std::size_t i = 0; i < columns; ++i) norm += std::pow(matrix[row * columns + i], 2);
      for (std::size_t i = 0; i < columns; ++i) {
        matrix[row * columns + i] *= double{m[row]} / std::sqrt(norm);
      }
    }
    return matrix;
  };
  const std::vector<double> linear = scaled(adapted(w, a, b, 3, 2), m6);
  for (const double factor : {1.0, 0.5, -1.0}) {
    Model model;
    model.base->add({"w.weight", DType::f32, {6, 8}}, bytes(w));
    const auto source =
        model.with(config,
                   {f32("w.lora_A.weight", {3, 8}, a), f32("w.lora_B.weight", {6, 3}, b),
                    f32("w.lora_magnitude_vector", {6}, m6)},
                   factor);
    EXPECT_EQ(source->bytes_to_read(0), 2 * 48 * 4 + (8 + 6) * 12 + 24u);
    std::vector<double> expected(w.begin(), w.end());
    for (std::size_t i = 0; i < 48; ++i) expected[i] += factor * (linear[i] - expected[i]);
    expect_near(read(*source), expected);
  }
  {
    Model model;  // [8, 6]: one magnitude a column
    model.base->add({"w.weight", DType::f32, {8, 6}}, bytes(w));
    const std::vector<double> change = turned(adapted(Numbers(48), a, b, 3, 2), 6);
    std::vector<double> sum(w.begin(), w.end());
    for (std::size_t i = 0; i < 48; ++i) sum[i] += change[i];
    expect_near(read(*model.with(config, {f32("w.lora_embedding_A", {3, 8}, a),
                                          f32("w.lora_embedding_B", {6, 3}, b),
                                          f32("w.lora_magnitude_vector", {6}, m6)})),
                turned(scaled(turned(sum, 8), m6), 6));
  }
}

// A row of zeros has no direction: it stays.
TEST(LoraSource, DoraOfAZeroRow) {
  Model model;
  model.base->add({"w.weight", DType::f32, {2, 1}}, bytes(Numbers{0, 2}));
  const auto source =
      model.with(R"(, "r": 1, "use_dora": true)",
                 {f32("w.lora_A.weight", {1, 1}, {0}), f32("w.lora_B.weight", {2, 1}, {1, 1}),
                  f32("w.lora_magnitude_vector", {2}, {5, 5})});
  EXPECT_THAT(read(*source), ::testing::ElementsAre(0, 5));
}

TEST(LoraSource, FactorsScaleTheWholeChange) {
  const Numbers a = random(3 * 8, 1), b = random(6 * 3, 2), w = random(48, 3);
  const Numbers bias = random(6, 6), own = random(6, 7), norm = random(4, 8), other = random(4, 9);
  const std::vector<TestTensor> tensors = {
      f32("w.lora_A.weight", {3, 8}, a), f32("w.lora_B.weight", {6, 3}, b),
      f32("w.lora_B.bias", {6}, bias), f32("norm.weight", {4}, other),
      f32("new.weight", {4}, other)};
  for (const double factor : {1.0, 0.5, -1.0, 0.0}) {
    SCOPED_TRACE(factor);
    Model model;
    model.base->add({"w.weight", DType::f32, {6, 8}}, bytes(w));
    model.base->add({"w.bias", DType::f32, {6}}, bytes(own));
    model.base->add({"norm.weight", DType::f32, {4}}, bytes(norm));
    const auto source = model.with(kConfig + R"(, "lora_bias": true)", tensors, factor);
    ASSERT_EQ(source->headers().size(), 4u);  // new, norm, w.bias, w.weight
    EXPECT_EQ(read(*source, 0), other);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(read(*source, 1)[i], norm[i] + factor * (other[i] - norm[i]), kTolerance);
    }
    for (std::size_t i = 0; i < 6; ++i) {
      EXPECT_NEAR(read(*source, 2)[i], own[i] + factor * 2 * bias[i], kTolerance);
    }
    expect_near(read(*source, 3), adapted(w, a, b, 3, 2 * factor));
    if (factor == 1) {
      EXPECT_EQ(read(*source, 1), other);
    }
    if (factor == 0) {
      EXPECT_EQ(read(*source, 3), w);
    }
  }
}

// A vocabulary that grew, and was then adapted: the adapter's rows and the product.
TEST(LoraSource, ProductsOnReplacedTensors) {
  const Numbers a = random(3 * 9, 1), b = random(6 * 3, 2), w = random(48, 3),
                grown = random(54, 4);
  Model model;
  model.base->add({"w.weight", DType::bf16, {8, 6}}, std::vector<std::byte>(96));
  const auto source = model.with(
      kConfig, {f32("w.base_layer.weight", {9, 6}, grown), f32("w.lora_embedding_A", {3, 9}, a),
                f32("w.lora_embedding_B", {6, 3}, b)});
  const std::vector<double> change = turned(adapted(Numbers(54), a, b, 3, 2), 6);
  std::vector<double> expected(grown.begin(), grown.end());
  for (std::size_t i = 0; i < 54; ++i) expected[i] += change[i];
  expect_near(read(*source), expected);
}

}  // namespace
}  // namespace merganser
