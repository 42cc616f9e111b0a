// Text from a causal language model, as token ids. Needs the runtime library, which is opened on
// first use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "merganser/evaluate.h"

#pragma GCC visibility push(default)
namespace merganser {

struct GenerateRequest {
  std::string model;              // as recipes name them
  std::vector<std::int64_t> ids;  // one prompt
  // Prompts of a .safetensors file: `ids`, whole numbers [N, T] or [T], and `mask` [N, T] where
  // they are not all of one length (ones, then zeros).
  std::string ids_file;
  std::int64_t max_new_tokens = 64;
  // Generation ends after one of these; `eos` adds those of the checkpoint's
  // generation_config.json, else config.json.
  std::vector<std::int64_t> stop;
  bool eos = true;
  double temperature = 0;  // 0: greedy
  std::int64_t top_k = 0;  // of sampling; 0: all tokens
  std::uint64_t seed = 0;
  RuntimeOptions runtime;
};

struct GenerateReport {
  struct Text {
    std::vector<std::int64_t> prompt, made;
    bool stopped = false;  // by a stop id, which is the last of `made`
  };
  std::string model;
  std::vector<std::int64_t> stop;
  std::vector<Text> texts;
  double seconds = 0;  // of generating, without opening the model

  std::string json() const;
};

// Throws Error: a model that is no causal language model, ids out of its vocabulary, texts longer
// than it takes, logits that are not finite.
GenerateReport generate(const GenerateRequest& request, Progress& progress);

}  // namespace merganser
#pragma GCC visibility pop
