// The provenance of a merge's inputs, and of theirs. Private to this layer.
//
// Each ancestor stands once, under the hash of its text, however often and by whichever way it went
// in: a chain of merges that each take the last two would otherwise grow without bound.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "plan/plan.h"

namespace merganser {

struct Lineage {
  // Provenance without its own ancestors, as one line of JSON, by "sha256:…" of that line.
  std::map<std::string, std::string> ancestors;
  std::vector<std::string> of_model;  // by model: a key of `ancestors`, or "" for none
  // The same for the models of each document that the plan needs.
  std::map<const Plan*, std::vector<std::string>> of_document;
  std::vector<std::string> notes;  // what could not be read
};

// Never fails because of what an input's provenance holds: it is noted and passed over.
Lineage find_lineage(const Plan& plan);

// One line of JSON; bytes that are no UTF-8 are replaced.
std::string json_line(const Json& value);

}  // namespace merganser
