// What the inputs of a plan of `smile` change, as far as headers tell.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "adapter/lora_source.h"
#include "smile/module.h"

namespace merganser {

// The change of an adapter that was put on the very base of the recipe; none: another model, or
// another kind of change, whose weights have to be compared.
std::optional<LoraSource::Product> product_of(const Plan& plan, const PlanInput& expert,
                                              const PlanInput& base);

// Weights and biases of the modules.
std::set<std::size_t> upscaled_jobs(const SmileModules& modules);

// base, average or error: what becomes of a tensor without experts.
std::string rest_of(const PlanJob& job);

}  // namespace merganser
