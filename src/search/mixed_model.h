// Combinations of models of one architecture, made in memory in the tensors of the first.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/model.h"
#include "search/path.h"

namespace merganser::rt {

class MixedModel {
 public:
  // The first model's tensors will hold the combinations; its own values are kept aside. The models
  // have to live as long; `labels` name them in errors. Throws Error(mismatch) for models of
  // different families, tensors or shapes.
  MixedModel(std::vector<Model*> models, const std::vector<std::string>& labels);

  // Over all parameters together, in f64; running statistics are no parameters.
  Gram gram() const;
  // Sums in f32, in f64 where the models are. A coefficient 0 is not read, and 1 alone copies, so
  // that the ends are the models bit for bit. Variances do not fall below 0.
  void set(const Coefficients& parameters, const Coefficients& statistics);
  const Model& model() const { return *models_.front(); }

 private:
  using Tensors = std::map<std::string, at::Tensor>;
  const at::Tensor& tensor(std::size_t model, const std::string& name) const;

  std::vector<Model*> models_;
  Tensors first_;  // copies of the first model's
};

}  // namespace merganser::rt
