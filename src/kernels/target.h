// The instruction set that the kernels run on. For provenance, benchmarks and tests; results do not
// depend on it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace merganser {

std::string simd_target();                // in use, e.g. "AVX3", or "SCALAR" for the baseline
std::vector<std::string> simd_targets();  // all that this machine and build have, best first

// Makes all kernels run on one of simd_targets(), or on the best again for an empty name. Not to be
// called while kernels run. False: no such target here.
bool force_simd_target(std::string_view name);

}  // namespace merganser
