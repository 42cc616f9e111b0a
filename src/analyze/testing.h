// For tests: small checkpoints on the disk, matched as an analysis sees them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analyze/inputs.h"
#include "checkpoint/testing.h"
#include "plan/models.h"
#include "source/source.h"

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

// Another source that counts the bytes that are read of it.
class CountedSource final : public Source {
 public:
  explicit CountedSource(std::shared_ptr<const Source> source) : source_(std::move(source)) {}
  std::string label() const override { return source_->label(); }
  const std::vector<TensorInfo>& headers() const override { return source_->headers(); }
  DType read_dtype(std::size_t tensor) const override { return source_->read_dtype(tensor); }
  void read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const override {
    bytes_ += out.size();
    source_->read(tensor, begin, out);
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<const Source> source_;
  mutable std::atomic<std::uint64_t> bytes_{0};
};

// Puts one in a model's place.
inline std::shared_ptr<const CountedSource> counted(PlanModel& model) {
  auto source = std::make_shared<const CountedSource>(model.source);
  model.source = source;
  return source;
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
