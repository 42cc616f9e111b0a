#include "smile/layout.h"

#include <nlohmann/json.hpp>

#include "smile/layout_impl.h"

namespace merganser {

std::string shared_weight(SmileLayout layout, const std::string& module) {
  return module + (layout == SmileLayout::fusion_bench ? ".shared_linear.weight" : ".weight");
}

std::string shared_bias(SmileLayout layout, const std::string& module) {
  return module + (layout == SmileLayout::fusion_bench ? ".shared_linear.bias" : ".bias");
}

std::vector<MadeSpec> made_tensors(SmileLayout layout, const SmileModule& module) {
  return layout == SmileLayout::fusion_bench ? fusion_bench::made_tensors(module)
                                             : transformers::made_tensors(module);
}

void complete_modules(const Plan& plan, SmileModules& modules) {
  if (modules.layout == SmileLayout::fusion_bench) fusion_bench::complete(plan, modules);
}

Json smile_config(const Plan& plan, const SmileModules& modules) {
  return modules.layout == SmileLayout::fusion_bench ? fusion_bench::config(plan, modules)
                                                     : transformers::config(plan, modules);
}

std::vector<std::pair<std::string, std::string>> smile_files(SmileLayout layout) {
  if (layout == SmileLayout::fusion_bench) return {};
  return transformers::files();
}

}  // namespace merganser
