#include "runtime/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/testing.h"
#include "runtime/testing.h"

namespace merganser::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json mlp(const char* norm = "none") {
  return {{"model_type", "mlp"},
          {"input_shape", {1, 2, 3}},
          {"hidden_sizes", {5, 4}},
          {"num_labels", 3},
          {"norm", norm}};
}

Json images(const char* type, const char* norm = "batch") {
  return {{"model_type", type}, {"input_shape", {3, 8, 8}}, {"hidden_sizes", {8, 12}},
          {"depths", {1, 2}},   {"num_labels", 5},          {"norm", norm}};
}

Batch inputs(const Model& model, std::int64_t rows, double scale = 1) {
  std::vector<std::int64_t> shape = model.value_shape();
  shape.insert(shape.begin(), rows);
  at::Tensor values = at::zeros(shape);
  float* out = values.data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    out[i] = static_cast<float>(scale * std::sin(1.7 * static_cast<double>(i) + 0.3));
  }
  Batch batch;
  batch.values = values;
  return batch;
}

std::vector<double> numbers(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kDouble).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

// An MLP's first layer before its activation, row by row, in f64.
std::vector<std::vector<double>> first_layer(const Model& model, const Batch& batch) {
  const auto weight = numbers(model.tensors().at("layers.0.linear.weight"));
  const auto bias = numbers(model.tensors().at("layers.0.linear.bias"));
  const auto values = numbers(batch.values);
  const std::size_t in = weight.size() / bias.size();
  std::vector<std::vector<double>> rows(values.size() / in, std::vector<double>(bias));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t o = 0; o < bias.size(); ++o) {
      for (std::size_t i = 0; i < in; ++i) rows[r][o] += weight[o * in + i] * values[r * in + i];
    }
  }
  return rows;
}

TEST(Network, DrawnModelsOfEveryKindHaveTheirShapes) {
  for (const char* norm : {"none", "batch", "layer"}) {
    for (const Json& config : {mlp(norm), images("vgg", norm), images("resnet", norm)}) {
      const auto model = testing::draw(config);
      const Batch batch = inputs(*model, 4);
      const at::Tensor logits = model->logits(batch);
      EXPECT_THAT(logits.sizes(), ElementsAre(4, config["num_labels"].get<int>())) << config;
      EXPECT_TRUE(logits.isfinite().all().item<bool>()) << config;
      EXPECT_EQ(model->hidden(batch).dim(), 2);
      EXPECT_EQ(model->batch_norms().empty(), std::string(norm) != "batch");
      EXPECT_EQ(model->statistics().size(), 2 * model->batch_norms().size());
    }
  }
}

TEST(Network, BatchNormByItsRunningStatistics) {
  Json config = mlp("batch");
  config["hidden_sizes"] = {5};
  config["num_labels"] = 5;
  const auto model = testing::draw(config);
  for (const auto& [name, tensor] : model->tensors()) {
    if (name.starts_with("layers.0.norm")) at::Tensor(tensor).add_(at::arange(5) * 0.25);
  }
  const auto of = [&](const char* name) { return numbers(model->tensors().at(name)); };
  const auto scale = of("layers.0.norm.weight"), shift = of("layers.0.norm.bias"),
             mean = of("layers.0.norm.running_mean"), variance = of("layers.0.norm.running_var");
  const Batch batch = inputs(*model, 3);
  const auto rows = first_layer(*model, batch);
  const auto hidden = numbers(model->hidden(batch));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < 5; ++c) {
      const double expected = std::max(
          0.0, (rows[r][c] - mean[c]) / std::sqrt(variance[c] + 1e-5) * scale[c] + shift[c]);
      EXPECT_NEAR(hidden[r * 5 + c], expected, 1e-5);
    }
  }
}

TEST(Network, CollectedStatisticsAreTheMeanOverBatches) {
  Json config = mlp("batch");
  config["hidden_sizes"] = {5};
  const auto model = testing::draw(config);
  const std::vector<Batch> batches = {inputs(*model, 4), inputs(*model, 3, 2),
                                      inputs(*model, 5, 0.5)};
  std::vector<double> mean(5), variance(5);
  for (const Batch& batch : batches) {
    const auto rows = first_layer(*model, batch);
    const auto n = static_cast<double>(rows.size());
    for (std::size_t c = 0; c < 5; ++c) {
      double sum = 0, squares = 0;
      for (const auto& row : rows) sum += row[c];
      for (const auto& row : rows) squares += (row[c] - sum / n) * (row[c] - sum / n);
      mean[c] += sum / n / 3;
      variance[c] += squares / (n - 1) / 3;  // as PyTorch keeps it
    }
  }
  const at::NoGradGuard no_grad;
  for (int again = 0; again < 2; ++again) {
    for (const BatchNorm* norm : model->batch_norms()) norm->set_mode(BatchNorm::Mode::collect);
    for (const Batch& batch : batches) model->hidden(batch);
    for (const BatchNorm* norm : model->batch_norms()) norm->set_mode(BatchNorm::Mode::fixed);
    const auto found_mean = numbers(model->tensors().at("layers.0.norm.running_mean"));
    const auto found_variance = numbers(model->tensors().at("layers.0.norm.running_var"));
    for (std::size_t c = 0; c < 5; ++c) {
      EXPECT_NEAR(found_mean[c], mean[c], 1e-5) << "collecting begins anew each time";
      EXPECT_NEAR(found_variance[c], variance[c], 1e-5);
    }
  }
}

TEST(Network, LayerNormIsOverTheChannelsOfAPixel) {
  Weights weights(3, {});
  const Json json = images("vgg", "layer");
  const NetworkConfig config(Config(json, "c"));
  const Norm norm(weights, "n", 4, config);
  const at::Tensor x = at::arange(2 * 4 * 3 * 3).reshape({2, 4, 3, 3}).to(at::kFloat).sin();
  const at::Tensor y = norm(x);
  EXPECT_LT(y.mean(1).abs().max().item<double>(), 1e-5);
  const auto pixel = numbers(x.select(0, 1).select(1, 0).select(1, 1));
  double mean = 0, variance = 0;
  for (const double value : pixel) mean += value / 4;
  for (const double value : pixel) variance += (value - mean) * (value - mean) / 4;
  const double expected = (pixel[2] - mean) / std::sqrt(variance + 1e-5);
  EXPECT_NEAR(y[1][2][0][1].item<double>(), expected, 1e-5);
}

std::string complaint(Json config) {
  return test::complaint([&] { testing::draw(config); });
}

TEST(Network, ConfigsThatMakeNoSenseAreRefused) {
  const auto with = [](Json config, const char* key, Json value) {
    config[key] = std::move(value);
    return complaint(std::move(config));
  };
  EXPECT_THAT(with(mlp(), "norm", "group"), HasSubstr("group normalisation is not run"));
  EXPECT_THAT(with(mlp(), "norm", "GroupNorm"), HasSubstr("group normalisation is not run"));
  EXPECT_THAT(with(mlp(), "norm", "instance"), HasSubstr("unknown norm 'instance'"));
  EXPECT_THAT(with(mlp(), "hidden_act", "sine"), HasSubstr("unknown activation 'sine'"));
  EXPECT_THAT(with(mlp(), "input_shape", nullptr), HasSubstr("there is no 'input_shape'"));
  EXPECT_THAT(with(mlp(), "input_shape", {1 << 30, 1 << 30, 1 << 30}), HasSubstr("2^31"));
  EXPECT_THAT(with(mlp(), "hidden_sizes", {4, 0}), HasSubstr("'hidden_sizes' has a size below 1"));
  EXPECT_THAT(with(mlp(), "hidden_sizes", Json(std::vector<int>(10001, 1))),
              HasSubstr("more than 10000"));
  EXPECT_THAT(with(mlp(), "num_labels", 0), HasSubstr("'num_labels'"));
  EXPECT_THAT(with(mlp(), "norm_eps", -1), HasSubstr("'norm_eps'"));
  for (const char* type : {"vgg", "resnet"}) {
    EXPECT_THAT(with(images(type), "input_shape", {8, 8}), HasSubstr("[channels, height, width]"));
    EXPECT_THAT(with(images(type), "depths", {1}), HasSubstr("an entry for each stage"));
  }
  EXPECT_THAT(with(images("vgg"), "input_shape", {3, 2, 9}), HasSubstr("to nothing"));
  EXPECT_THAT(with(images("resnet"), "layer_type", "wide"), HasSubstr("unknown layer_type 'wide'"));
  EXPECT_THAT(with(images("resnet"), "stem", "mnist"), HasSubstr("unknown stem 'mnist'"));
  Json bottleneck = images("resnet");
  bottleneck["layer_type"] = "bottleneck";
  EXPECT_THAT(with(bottleneck, "hidden_sizes", {8, 10}), HasSubstr("multiples of 4"));
  const Json transformers = {{"model_type", "resnet"}, {"embedding_size", 64}};
  EXPECT_THAT(complaint(transformers), HasSubstr("transformers' own ResNet is not run"));
}

}  // namespace
}  // namespace merganser::rt
