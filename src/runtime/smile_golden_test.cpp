// A whole model in FusionBench's layout against the numbers of FusionBench's own code.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "runtime/model.h"
#include "runtime/smile_linear.h"
#include "source/source.h"

namespace merganser::rt {
namespace {

at::Tensor tensor_of(const Json& json) {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
  const auto walk = [&](const auto& self, const Json& node) -> void {
    if (!node.is_array()) return values.push_back(node.get<double>());
    for (const Json& each : node) self(self, each);
  };
  for (const Json* node = &json; node->is_array(); node = &node->at(0)) {
    shape.push_back(static_cast<std::int64_t>(node->size()));
  }
  walk(walk, json);
  return at::tensor(values, at::kDouble).view(shape);
}

double farthest(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b).abs().max().item<double>();
}

class Golden : public testing::TestWithParam<int> {};

TEST_P(Golden, LogitsLayerAndRoutes) {
  const char* data = std::getenv("MERGANSER_DATA");
  const std::filesystem::path folder =
      std::filesystem::path(data != nullptr ? data : MERGANSER_SOURCE_DIR "/../shared/data") /
      ("smile_golden/llama/llama_float32_k4_g2_t" + std::to_string(GetParam()));
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no golden data at " << folder;
  const Json golden = Json::parse(read_text(folder / "golden.json", 1 << 24));
  const Json config = Json::parse(read_text(folder / "smile/config.json", 1 << 20));
  const FileSource source(Checkpoint::open(folder / "smile"));
  Weights weights(source, {});
  const auto model = build_model(Config(config, "config.json"), weights);
  ASSERT_EQ(model->mixtures().size(), 14u);
  const at::NoGradGuard no_grad;

  Batch batch;
  batch.ids = tensor_of(golden["input_ids"]).to(at::kLong);
  EXPECT_LE(farthest(model->logits(batch), tensor_of(golden["smile_logits"])), 1e-4);
  model->routing()->weights = {0, 0, 0};
  EXPECT_LE(farthest(model->logits(batch), tensor_of(golden["base_logits"])), 1e-4);
  model->routing()->set_free();

  const at::Tensor x = tensor_of(golden["x"]).to(at::kFloat);
  for (const SmileLinear* layer : model->mixtures()) {
    if (layer->name != golden["layer"].get<std::string>()) continue;
    EXPECT_LE(farthest((*layer)(x), tensor_of(golden["y"])), 3e-5);
    EXPECT_LE(farthest(layer->router_logits(x), tensor_of(golden["router_logits"])), 3e-5);
    EXPECT_TRUE(layer->route(x).first.equal(tensor_of(golden["routes"]).to(at::kLong)));
    return;
  }
  FAIL() << "no layer " << golden["layer"];
}

INSTANTIATE_TEST_SUITE_P(Experts, Golden, testing::Values(1, 2));

}  // namespace
}  // namespace merganser::rt
