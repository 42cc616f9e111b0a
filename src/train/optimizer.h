// AdamW and SGD over parameters that autograd filled the gradients of. Values, states and
// arithmetic are at least f32: a parameter of a narrower type has an f32 copy that is stepped, and
// is rounded from it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

namespace merganser::rt {

struct OptimizerOptions {
  enum class Kind { adamw, sgd } kind = Kind::adamw;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  // of AdamW (Loshchilov and Hutter 2019)
  double momentum = 0.9;                          // of SGD: v = momentum v + g; w = w - rate v
  // AdamW: w = w - rate decay w; SGD: g = g + decay w. Of parameters with two axes and more: biases
  // and the weights of norms are not pulled to 0.
  double weight_decay = 0;
  double clip = 0;  // largest norm of all gradients together; 0: any
};

class Optimizer {
 public:
  // Sets requires_grad on the parameters: floating, leaves.
  Optimizer(std::vector<std::pair<std::string, at::Tensor>> parameters,
            const OptimizerOptions& options);

  // A narrow parameter's values before they were rounded to its type, f32 of its shape: what hardly
  // moves keeps the digits that it came with.
  void set_value(std::size_t index, at::Tensor values);

  // One step at this rate; the gradients are used up. Parameters without a gradient stay as they
  // are. Returns the norm of all gradients together before clipping; 0 without clipping.
  double step(double rate);

  std::vector<at::Tensor> save() const;  // copies of the parameters' values
  void restore(const std::vector<at::Tensor>& saved);

  // Values as they are stepped, f32 or wider.
  const at::Tensor& value(std::size_t index) const { return entries_[index].value; }
  const std::string& name(std::size_t index) const { return entries_[index].name; }
  bool reached(std::size_t index) const { return entries_[index].reached; }  // had a gradient
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string name;
    at::Tensor live, value;           // one tensor unless `live` is narrower than f32
    at::Tensor first, second, count;  // moments, made with the first gradient
    bool decays = false, reached = false;
  };
  struct Group;

  void step_adamw(Group& group, double rate, double decay) const;
  void step_sgd(Group& group, double rate, double decay) const;

  std::vector<Entry> entries_;
  OptimizerOptions options_;
};

}  // namespace merganser::rt
