// The learning rate of a step, as a share of the highest.
#pragma once

#include <cstdint>
#include <string>

namespace merganser::rt {

enum class Schedule { constant, linear, cosine };

// Throws Error(usage).
Schedule parse_schedule(const std::string& name);

struct RateOptions {
  Schedule schedule = Schedule::linear;
  std::int64_t steps = 1, warmup = 0;
};

// min(1, (step + 1) / warmup) d, with d = 1, 1 - step / steps or (1 + cos(pi step / steps)) / 2;
// steps count from 0.
double rate_share(const RateOptions& options, std::int64_t step);

}  // namespace merganser::rt
