// What a model puts out for given inputs, as a file. Needs the runtime library, which is opened on
// first use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "merganser/evaluate.h"

#pragma GCC visibility push(default)
namespace merganser {

struct LogitsRequest {
  std::string model;  // as recipes name them
  // A .safetensors file: `ids`, whole numbers [N, T], with `mask` [N, T] (ones, then zeros) and
  // `types` [N, T] (token types) where wanted; or `values` [N, ...] of networks on arrays.
  std::string input;
  // A .safetensors file with one f32 tensor: `logits` [N, T, V] of language models, [N, C] of
  // classifiers; with `hidden`, the last hidden states `hidden` [N, T, D] or [N, D]. 0 where the
  // mask is.
  std::string output;
  bool hidden = false;
  bool force = false;  // replace an existing output
  RuntimeOptions runtime;
};

struct LogitsReport {
  std::string model, output, tensor;
  std::vector<std::int64_t> shape;
  double seconds = 0;

  std::string json() const;
};

// The output is there whole, or not at all. Throws Error.
LogitsReport write_logits(const LogitsRequest& request, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
