// A linear layer as SMILE's mixture of low-rank experts (Tang et al. 2024, arXiv 2408.10174;
// docs/smile.md has the formulas):
//
//   r_e = |R_e x|            w = softmax of the longest r       y = W x + b + sum of w_e
//   expert_e(x)
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/linear.h"
#include "runtime/plain_linear.h"
#include "runtime/routing.h"

namespace merganser::rt {

class Weights;

// Expert e: its factors, or its whole matrix, and its bias; those that are undefined are none.
struct SmileExperts {
  // Either stacked, experts one below the other: inside [sum of k, in], outside [sum of k, out];
  // or each on its own: inside [k, in], outside [out, k].
  at::Tensor inside, outside;
  std::vector<at::Tensor> each_inside, each_outside;
  std::vector<std::int64_t> ranks;  // k of each
  at::Tensor dense;                 // [E, out, in]
  std::vector<at::Tensor> each_dense;
  at::Tensor bias;  // [E, out]
  std::vector<at::Tensor> each_bias;
};

class SmileLinear final : public Linear {
 public:
  // router [E g, in], undefined where E = 1.
  SmileLinear(PlainLinear base, at::Tensor router, SmileExperts experts, std::int64_t per_token,
              std::shared_ptr<const Routing> routing);

  std::int64_t experts() const { return static_cast<std::int64_t>(experts_.ranks.size()); }
  std::int64_t per_token() const { return per_token_; }
  // Of rows [T, in]: r [T, E], in f32 at least: in 16 bits near-ties would be ties.
  at::Tensor router_logits(const at::Tensor& rows) const;
  // Of rows [T, in]: experts int64 [T, k], best first, and their weights [T, k].
  std::pair<at::Tensor, at::Tensor> route(const at::Tensor& rows) const;

 protected:
  at::Tensor apply(const at::Tensor& x) const override;

 private:
  struct Parts {
    bool weight = false, bias = false;
  };
  at::Tensor bias_of(std::int64_t expert) const;
  at::Tensor product(std::int64_t expert, const at::Tensor& rows, const at::Tensor& scale) const;
  void add_everywhere(at::Tensor& y, const at::Tensor& rows, std::int64_t expert,
                      double weight) const;
  void add_to_its_tokens(at::Tensor& y, const at::Tensor& rows, const at::Tensor& chosen,
                         const at::Tensor& weights) const;
  void add_all(at::Tensor& y, const at::Tensor& rows, const at::Tensor& chosen,
               const at::Tensor& weights) const;
  bool all_for_all(std::int64_t rows) const;
  std::vector<const at::Tensor*> expert_tensors() const;
  void look() const;

  PlainLinear base_;
  at::Tensor router_;
  SmileExperts experts_;
  std::vector<std::int64_t> first_;  // row of each expert in `inside`
  at::Tensor owner_;                 // int64 [sum of k]: whose row it is
  std::int64_t per_token_;
  std::shared_ptr<const Routing> routing_;
  // What of each expert is not zeros: experts equal to the base cost nothing. Looked at again when
  // a tensor was changed through ATen; whoever writes into its memory directly has to build the
  // model anew.
  mutable std::vector<Parts> parts_;
  mutable std::int64_t version_ = -1;
};

// Null where the checkpoint has a plain layer under this name.
std::shared_ptr<Linear> make_smile_linear(Weights& weights, const std::string& name,
                                          std::int64_t in, std::int64_t out, bool bias,
                                          bool transposed);

}  // namespace merganser::rt
