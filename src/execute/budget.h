// How a memory budget becomes chunk sizes. Results never depend on them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "plan/plan.h"

namespace merganser {

struct Budget {
  unsigned threads = 1;
  unsigned window = 1;             // groups whose passes may overlap
  std::size_t chunk_elements = 0;  // a multiple of kBlock
  // Of documents that are computed on the way: outputs held at once, and groups kept open.
  std::uint64_t held_bytes = 0;
  std::size_t open_documents = 0;
  std::uint64_t peak_bytes = 0;  // private memory: buffers of all workers and what passes keep
};

// Elements of a job's chunks: whole blocks, `wanted` where they fit.
std::size_t chunk_elements(const PlanJob& job, std::size_t wanted);

// `memory` 0: 256 MiB, or what the widest tensor takes. Throws Error(usage) where `memory` cannot
// hold even the smallest chunks, naming what would.
Budget plan_budget(const Plan& plan, std::uint64_t memory, unsigned threads);

}  // namespace merganser
