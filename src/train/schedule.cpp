#include "train/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/text.h"

namespace merganser::rt {

Schedule parse_schedule(const std::string& name) {
  if (name == "constant") return Schedule::constant;
  if (name == "linear") return Schedule::linear;
  if (name == "cosine") return Schedule::cosine;
  const std::array<std::string, 3> known = {"constant", "linear", "cosine"};
  throw Error(ErrorKind::usage, "unknown schedule '" + name + "'").hint(suggestion(name, known));
}

double rate_share(const RateOptions& options, std::int64_t step) {
  const auto now = static_cast<double>(step);
  const double done = now / static_cast<double>(options.steps);
  double share = 1;
  if (options.warmup > 0) share = std::min(1.0, (now + 1) / static_cast<double>(options.warmup));
  switch (options.schedule) {
    case Schedule::constant:
      return share;
    case Schedule::linear:
      return share * (1 - done);
    case Schedule::cosine:
      return share * (1 + std::cos(std::numbers::pi * done)) / 2;
  }
  return share;
}

}  // namespace merganser::rt
