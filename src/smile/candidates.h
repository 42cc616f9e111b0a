// What can get experts at all, by name and shape.
#pragma once

#include <string_view>

#include "architecture/architecture.h"
#include "base/tensor_info.h"

namespace merganser {

// Tables that are looked up by position or token, in layers as well (T5's relative_attention_bias):
// no product is made with them.
bool is_table(const TensorPlace& place, std::string_view name);

// The weight of a linear layer: a matrix that inputs are multiplied with, and not an expert or the
// router of a base that is a mixture itself (in transformers all of a layer's experts are one
// parameter, and so is the router). It need not lie in a repeated block.
bool can_have_experts(const TensorPlace& place, std::string_view name, const Shape& shape);

}  // namespace merganser
