// A base and its fine-tunes with their tensors matched: what an analysis goes over.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.h"

namespace merganser {

// Where in a model a tensor belongs, as far as merging cares: `linear` are matrices inside the
// repeated blocks, which low-rank experts and adapters carry.
enum class Part { linear, embedding, head, norm, bias, other };
std::string_view name_of(Part part);

struct AnalysedTensor {
  std::string name;
  TensorPlace place;
  // Whose layer it lies in ("encoder"); "" outside of layers, and where there is one module alone.
  std::string module;
  std::string role;  // "attention.q", "norm.final"; of tensors without one the name, layers as {}
  Part part = Part::other;
  Shape shape;               // the same in all models
  DType dtype = DType::f32;  // the base's
  bool transposed = false;   // a linear weight that is stored [in, out]
  bool upscaled = false;     // `smile` gives it experts by default
  bool expert_bias = false;  // the bias of one that is upscaled: experts carry its whole change
  PlanInput base;            // in AnalysisInputs::plan
  std::vector<PlanInput> models;

  std::uint64_t size() const { return elements(shape); }
  bool matrix() const { return shape.size() == 2; }
};

struct AnalysisInputs {
  Plan plan;  // without jobs: models[0] is the base, models[1] .. the fine-tunes
  std::vector<AnalysedTensor> tensors;  // by name
  std::vector<LeftOut> left_out;        // tensors that cannot be compared, and why
  std::vector<std::string> notes;

  std::size_t models() const { return plan.models.size() - 1; }
  std::size_t pairs() const { return models() * (models() - 1) / 2; }
  std::string name(std::size_t model) const;  // of a fine-tune, as the user wrote it
  // The last part of its path (of an adapter's, for an adapter) where that tells all models apart,
  // else its name.
  std::string short_name(std::size_t model) const;
  bool adapter(std::size_t model) const;                    // a LoRA adapter on a base
  std::uint64_t bytes(const AnalysedTensor& tensor) const;  // to read it from all models, once
};

// The base first. A tensor takes part if every model has it, as floats and in the base's shape.
// Throws Error(mismatch) where no tensor does.
AnalysisInputs match_tensors(std::vector<PlanModel> models);

}  // namespace merganser
