// A task's data in memory: checked once, cut into batches.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "evaluate/task.h"
#include "runtime/model.h"

namespace merganser::rt {

struct Examples {
  at::Tensor ids;      // int64 [N, T], padded on the right; of language modelling [N, length + 1]
  at::Tensor lengths;  // int64 [N] tokens of a row; undefined: all rows are whole
  at::Tensor types;    // int64 [N, T], token types; undefined: all 0
  at::Tensor values;   // f32 [N, ...] of arrays; then ids is undefined
  at::Tensor labels;   // int64 [N]; undefined in language modelling
  std::string place;   // the file, for errors

  std::int64_t size() const { return ids.defined() ? ids.size(0) : values.size(0); }
  // Of these rows, cut to the longest of them, on the model's device.
  Batch batch(const at::Tensor& rows, const Placement& placement) const;
  // All rows, in batches of at most `size`, rows of like length together.
  std::vector<at::Tensor> batches(std::int64_t size) const;
};

// Throws Error(not_found, corrupt, mismatch): files or tensors that are not there, shapes that do
// not fit, masks that are not a run of ones, no rows at all.
Examples load_examples(const Task& task, const std::string& split);

// Ids within the vocabulary, texts within the longest, arrays of the model's shape. Throws
// Error(mismatch), naming the row.
void check_fit(const Examples& examples, const Task& task, const Model& model);

}  // namespace merganser::rt
