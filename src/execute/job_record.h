// What is known of a tensor once it is merged: enough to go on without it after an interruption.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace merganser {

struct JobRecord {
  struct Input {
    PlanInput input;
    std::string hash;  // "": not hashed, or by another job that reads the same tensor
    std::uint64_t non_finite = 0;
  };

  std::size_t job = 0;
  std::string output_hash;
  std::uint64_t output_non_finite = 0;
  std::vector<Input> inputs;
  std::vector<std::string> mask_hashes;  // of the job's masks
  std::vector<Fact> facts;
};

}  // namespace merganser
