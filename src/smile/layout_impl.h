// One layout each; used by layout.cpp only.
#pragma once

#include "smile/layout.h"

namespace merganser {

// What the SmileLlama, SmileQwen2 and SmileMistral classes of FusionBench 0.2.33 load.
namespace fusion_bench {
std::vector<MadeSpec> made_tensors(const SmileModule& module);
void complete(const Plan& plan, SmileModules& modules);
Json config(const Plan& plan, const SmileModules& modules);
}  // namespace fusion_bench

// What the code of src/smile/remote_code loads.
namespace transformers {
std::vector<MadeSpec> made_tensors(const SmileModule& module);
Json config(const Plan& plan, const SmileModules& modules);
std::vector<std::pair<std::string, std::string>> files();
}  // namespace transformers

}  // namespace merganser
