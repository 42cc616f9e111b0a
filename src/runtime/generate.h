// Text from a decoder, token by token, with a cache of keys and values.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/model.h"

namespace merganser::rt {

struct GenerateOptions {
  std::int64_t max_new_tokens = 64;
  std::vector<std::int64_t> stop;  // generation ends with one of these, which is kept
  double temperature = 0;          // of sampling; 0: the likeliest token each time
  std::int64_t top_k = 0;          // sampling among the k likeliest; 0: among all
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  // the prompt's number: prompts draw independently
};

// The new tokens, without the prompt. The same for the same seed, whatever else is generated.
// Between tokens `go_on` may end it. Throws Error(usage): a model that is no causal language
// model, options out of range; Error(mismatch): a prompt that is empty, has ids out of the
// vocabulary, or leaves no room for max_new_tokens; logits that are not finite.
std::vector<std::int64_t> generate(const Model& model, std::span<const std::int64_t> prompt,
                                   const GenerateOptions& options,
                                   const std::function<bool()>& go_on);

// What generate() would refuse, without any work.
void check_prompt(const Model& model, std::span<const std::int64_t> prompt,
                  const GenerateOptions& options);

}  // namespace merganser::rt
