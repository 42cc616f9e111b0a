#include "smile/made_source.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/testing.h"

namespace merganser {
namespace {

template <class T>
std::uint64_t put(ScratchFile& file, const std::vector<T>& values) {
  return file.append(std::as_bytes(std::span(values)));
}

template <class T>
std::vector<T> read(const MadeSource& source, std::size_t tensor, std::size_t first,
                    std::size_t count) {
  std::vector<T> values(count);
  source.read(tensor, first * sizeof(T), std::as_writable_bytes(std::span(values)));
  return values;
}

// Every range of a tensor, as chunks of any size would read it.
template <class T>
void expect_content(const MadeSource& source, std::size_t tensor, const std::vector<T>& wanted) {
  for (std::size_t first = 0; first <= wanted.size(); ++first) {
    for (std::size_t count = 0; first + count <= wanted.size(); ++count) {
      const auto at = wanted.begin() + static_cast<std::ptrdiff_t>(first);
      EXPECT_EQ(read<T>(source, tensor, first, count),
                std::vector<T>(at, at + static_cast<std::ptrdiff_t>(count)))
          << first << " " << count;
    }
  }
}

using Kind = MadePart::Kind;

TEST(MadeSource, RowsZerosAndColumns) {
  const test::TemporaryFolder folder;
  const auto file = std::make_shared<ScratchFile>(folder.path());
  const std::uint64_t rows = put<float>(*file, {1, 2, 3, 4, 5, 6});
  const std::uint64_t columns = put<float>(*file, {7, 8, 9, 10, 11, 12});  // two of three rows
  const MadeSource source(
      file, {},
      {{{"a", DType::f32, {3, 3}},
        {{Kind::rows, 2, 3, rows, 0, {}, {}}, {Kind::zeros, 1, 3, 0, 0, {}, {}}}},
       {{"b", DType::f32, {3, 4}}, {{Kind::columns, 3, 4, columns, 2, {}, {}}}},
       {{"c", DType::f32, {0, 3}}, {}}});
  EXPECT_EQ(source.headers()[1].shape, (Shape{3, 4}));
  expect_content<float>(source, 0, {1, 2, 3, 4, 5, 6, 0, 0, 0});
  expect_content<float>(source, 1, {7, 10, 0, 0, 8, 11, 0, 0, 9, 12, 0, 0});
  expect_content<float>(source, 2, {});
}

TEST(MadeSource, DifferencesOfTensors) {
  const test::TemporaryFolder folder;
  const auto file = std::make_shared<ScratchFile>(folder.path());
  std::vector<PlanModel> models;
  for (const std::vector<double>& values : {std::vector<double>{1, 2, 3, 4}, {2, 2, 5, 1}}) {
    auto memory = std::make_shared<MemorySource>("m");
    std::vector<std::byte> bytes(values.size() * sizeof(double));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    memory->add({"w", DType::f64, {2, 2}}, std::move(bytes));
    models.emplace_back();
    models.back().source = std::move(memory);
  }
  const PlanInput base{0, 0}, expert{1, 0};
  const MadeSource source(
      file, models,
      {{{"d", DType::f64, {2, 2}}, {{Kind::difference, 2, 2, 0, 0, expert, base}}},
       {{"e", DType::f64, {2, 2}}, {{Kind::difference, 2, 2, 0, 0, expert, {}}}}});
  expect_content<double>(source, 0, {1, 0, 2, -3});
  expect_content<double>(source, 1, {2, 2, 5, 1});
}

}  // namespace
}  // namespace merganser
