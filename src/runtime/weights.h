// What a family builds a model from: each parameter asked for by its name and shape, read from a
// source or drawn at random, and kept where later merges can write into it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/linear.h"
#include "runtime/placement.h"
#include "runtime/routing.h"
#include "runtime/smile_spec.h"
#include "source/source.h"

namespace merganser::rt {

// How a parameter begins where there is no checkpoint.
struct Init {
  enum class Kind { zeros, ones, normal, uniform } kind = Kind::zeros;
  double scale = 0;  // standard deviation, or half the width of the interval around 0

  static Init zeros() { return {}; }
  static Init ones() { return {Kind::ones, 1}; }
  static Init normal(double deviation) { return {Kind::normal, deviation}; }
  // He et al. 2015 for ReLU: N(0, 2 / fan_in).
  static Init he(std::int64_t fan_in);
};

class Weights {
 public:
  // From a checkpoint's tensors; `source` must live as long.
  Weights(const Source& source, const Placement& placement);
  // Drawn: a parameter's values follow from the seed, its name and its shape alone.
  Weights(std::uint64_t seed, const Placement& placement);

  bool drawn() const { return source_ == nullptr; }
  const Placement& placement() const { return placement_; }
  // Checkpoints of a bare encoder lack the prefix that those with a head have. Taken off the names
  // that are asked for where no tensor has it.
  void optional_prefix(std::string prefix);
  std::string stored(const std::string& name) const;  // the name in the source
  // The checkpoint is a mixture: what the family asks for by linear() becomes one.
  void set_smile(SmileSpec spec);
  const SmileSpec* smile() const { return smile_ ? &*smile_ : nullptr; }
  const std::shared_ptr<Routing>& routing() const { return routing_; }  // null without a mixture

  bool has(const std::string& name) const;
  // The shape that a tensor has in the file; none where it is absent.
  std::optional<Shape> shape_of(const std::string& name) const;
  // Throws Error(not_found) where it is absent, Error(mismatch) for another shape, and
  // Error(unsupported) where it holds no floats. Asked for twice (tied weights), it is the same
  // tensor.
  at::Tensor tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                    const Init& init);
  // The same for what is no parameter: running means and variances, which training leaves to the
  // forward pass and averages of models may have to collect anew.
  at::Tensor statistic(const std::string& name, const std::vector<std::int64_t>& shape,
                       const Init& init);
  // Weight [out, in] (`transposed`: [in, out], transformers' Conv1D) and bias [out]. A mixture of
  // experts where the checkpoint has one under this name.
  std::shared_ptr<Linear> linear(const std::string& name, std::int64_t in, std::int64_t out,
                                 bool bias, const Init& init, bool transposed = false);
  // Present or not, of no use to the family: constants and the like. A suffix of names.
  void ignore(std::string_view suffix);
  // Throws Error(mismatch) where a tensor was not asked for and is not to be ignored, and where a
  // layer that should have experts was not.
  void finish() const;

  // Under the names of the source.
  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }
  const std::set<std::string>& statistics() const { return statistics_; }  // names among them
  const std::vector<std::shared_ptr<Linear>>& linears() const { return linears_; }

 private:
  const TensorInfo* find(const std::string& name) const;
  at::Tensor read(std::size_t index, const TensorInfo& info) const;
  at::Tensor draw(const std::string& name, const std::vector<std::int64_t>& shape,
                  const Init& init) const;

  const Source* source_ = nullptr;
  Placement placement_;
  std::uint64_t seed_ = 0;
  std::string prefix_;  // to be taken off
  std::map<std::string, at::Tensor> tensors_;
  std::set<std::string> statistics_;
  std::vector<std::shared_ptr<Linear>> linears_;
  std::vector<std::string> ignored_;
  std::optional<SmileSpec> smile_;
  std::shared_ptr<Routing> routing_;
};

// Elements of a source's tensor, as they are stored, in the model's type.
at::ScalarType scalar_type(DType dtype);

}  // namespace merganser::rt
