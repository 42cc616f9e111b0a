// What an Architecture holds; shared by the files that implement it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "architecture/architecture.h"
#include "architecture/family_data.h"

namespace merganser {

struct ModuleState {
  ArchitectureModule info;
  const ModuleData* data = nullptr;   // null for an inferred module
  std::string root;                   // where its part of the config stands: "", "text_config"
  std::vector<std::string> prefixes;  // the one in use first
  std::vector<std::string> forms;     // "model.layers.{}.", the one in use first
  std::size_t extra = 0;  // blocks after the counted ones: multi-token prediction, not layers
  std::map<std::string, std::string> stems;  // role -> stem, of this checkpoint
  std::set<std::string> unknown;             // stems inside the layers that have no role
};

struct Architecture::Impl {
  const Family* family = nullptr;  // null for an inferred one
  std::string family_name;
  std::string architecture;
  std::vector<ModuleState> modules;
  std::vector<ArchitectureModule> infos;  // the modules' public part
  std::vector<TiedPair> tied;
  std::set<std::string> vocabulary;  // inferred: names whose rows are tokens
  std::size_t loose_module = 0;      // for names that no module claims

  TensorPlace place(std::string_view name) const;
  const ModuleState* layered() const;  // the first module with layers, or null
};

// The name under a module's prefix in use; a leading '/' means from the root.
std::string absolute_name(const ModuleState& module, std::string_view name);

}  // namespace merganser
