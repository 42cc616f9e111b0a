// The part of a merge that only mixtures of experts have: decomposing, before anything is written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/request.h"
#include "execute/engine.h"
#include "smile/expert_store.h"
#include "smile/experts.h"

namespace merganser {

// Bytes that lie on the disk beside the output while it is made, at most.
std::uint64_t bytes_aside(const Prepared& prepared);

// Takes over what an earlier run left in the store, and decomposes the rest; the plan's made
// tensors can be read afterwards.
Experts make_experts(Prepared& prepared, ExpertStore& store, HashKind hash, Progress& progress);

// What the decomposition learnt, into the report of the writing.
void add_experts(EngineReport& report, const Prepared& prepared, const Experts& experts);

// For people: how much of each fine-tune its experts carry.
void add_expert_notes(std::vector<std::string>& notes, const Prepared& prepared,
                      const Experts& experts);

}  // namespace merganser
