// What a checkpoint's own classification head needs to know.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/config.h"
#include "runtime/weights.h"

namespace merganser::rt {

// One of config.json's `architectures` ends so: "ForSequenceClassification", "ForCausalLM".
bool built_for(const Config& config, std::string_view suffix);
// Classes of the head whose last layer is `name`: of config.json (id2label, num_labels), else the
// rows of its weight, else transformers' 2.
std::int64_t classes_of(const Config& config, const Weights& weights, const std::string& name);
// x [B, T, D], mask [B, T] or undefined: the vector of each row's last token, [B, D].
at::Tensor last_token(const at::Tensor& x, const at::Tensor& mask);

}  // namespace merganser::rt
