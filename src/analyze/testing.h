// For tests: small checkpoints on the disk, matched as an analysis sees them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "analyze/inputs.h"
#include "checkpoint/testing.h"
#include "plan/models.h"

namespace merganser::test {

struct TestWeights {
  std::string name;
  Shape shape;
  std::vector<double> values;  // stored as f64: nothing is rounded
};

inline std::vector<double> normal_numbers(std::size_t n, unsigned seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> draw;
  std::vector<double> values(n);
  for (double& value : values) value = draw(engine);
  return values;
}

// Single files, the base first.
class TestModels {
 public:
  void add(const std::vector<TestWeights>& weights) {
    std::vector<TestTensor> tensors;
    for (const TestWeights& one : weights) {
      tensors.push_back({one.name, DType::f64, one.shape, bytes_of(one.values)});
    }
    const std::string name = paths_.empty() ? "base" : "tune" + std::to_string(paths_.size());
    paths_.push_back(write_safetensors(folder_ / (name + ".safetensors"), tensors).string());
  }
  AnalysisInputs inputs() const {
    std::vector<PlanModel> models;
    for (const std::string& path : paths_) models.push_back(open_model(model_ref(path), ""));
    return match_tensors(std::move(models));
  }

 private:
  TemporaryFolder folder_;
  std::vector<std::string> paths_;
};

}  // namespace merganser::test
