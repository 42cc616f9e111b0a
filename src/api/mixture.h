// The part of a merge that only mixtures of experts have: decomposing, before anything is written.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "api/request.h"
#include "execute/engine.h"
#include "smile/experts.h"

namespace merganser {

// Decomposes, with a scratch file in `folder`; the plan's made tensors can be read afterwards.
Experts make_experts(Prepared& prepared, const std::filesystem::path& folder, HashKind hash,
                     Progress& progress);

// What the decomposition learnt, into the report of the writing.
void add_experts(EngineReport& report, const Prepared& prepared, const Experts& experts);

// For people: how much of each fine-tune its experts carry.
void add_expert_notes(std::vector<std::string>& notes, const Prepared& prepared,
                      const Experts& experts);

}  // namespace merganser
