#include "evaluate/subset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/testing.h"
#include "runtime/testing.h"

namespace merganser::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Examples numbered(std::int64_t count) {
  Examples examples;
  examples.values = at::arange(count).to(at::kFloat).unsqueeze(1);
  examples.labels = at::arange(count);
  examples.place = "data";
  return examples;
}

std::vector<std::int64_t> list(const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  return {whole.data_ptr<std::int64_t>(), whole.data_ptr<std::int64_t>() + whole.numel()};
}

TEST(Subset, RowsAreSpreadEvenly) {
  EXPECT_THAT(list(spread_rows(numbered(10), 4).labels), ElementsAre(0, 2, 5, 7));
  EXPECT_EQ(spread_rows(numbered(10), 4).values.size(0), 4);
  EXPECT_EQ(spread_rows(numbered(10), 0).size(), 10);
  EXPECT_EQ(spread_rows(numbered(10), 11).size(), 10);
}

TEST(Subset, BatchesInterleaveAndHaveEveryRowOnce) {
  const auto batches = interleaved_batches(numbered(10), 4);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_THAT(list(batches[0]), ElementsAre(0, 3, 6, 9));
  EXPECT_THAT(list(batches[1]), ElementsAre(1, 4, 7));
  EXPECT_THAT(list(batches[2]), ElementsAre(2, 5, 8));
}

const Json kConfig = {{"model_type", "mlp"},
                      {"input_shape", {1}},
                      {"hidden_sizes", {3}},
                      {"num_labels", 2},
                      {"norm", "batch"}};

TEST(Subset, StatisticsOfTheExamples) {
  const auto model = testing::draw(kConfig);
  Progress progress;
  collect_statistics(*model, numbered(10), 4, progress);
  const at::Tensor weight = model->tensors().at("layers.0.linear.weight").squeeze(1);
  // Means of the rows 0 3 6 9, 1 4 7 and 2 5 8; variances 15, 9 and 9.
  const at::Tensor mean = model->tensors().at("layers.0.norm.running_mean");
  const at::Tensor variance = model->tensors().at("layers.0.norm.running_var");
  EXPECT_TRUE(mean.allclose(weight * ((4.5 + 4 + 5) / 3), 1e-5, 1e-5));
  EXPECT_TRUE(variance.allclose(weight.square() * ((15.0 + 9 + 9) / 3), 1e-4, 1e-5));
  // Fixed again: a forward pass leaves them alone.
  const at::Tensor before = mean.clone();
  model->hidden(numbered(3).batch(at::arange(3), {}));
  EXPECT_TRUE(mean.equal(before));
}

TEST(Subset, StatisticsThatAreNotFiniteAreRefused) {
  const auto model = testing::draw(kConfig);
  Progress progress;
  Examples examples = numbered(4);
  examples.values[2].fill_(INFINITY);
  EXPECT_THAT(test::complaint([&] { collect_statistics(*model, examples, 2, progress); }),
              HasSubstr("mismatch: data: tensor 'layers.0.norm.running_mean': its statistics"));
  progress.stop();
  EXPECT_THAT(test::complaint([&] { collect_statistics(*model, numbered(4), 2, progress); }),
              HasSubstr("interrupted"));
}

}  // namespace
}  // namespace merganser::rt
