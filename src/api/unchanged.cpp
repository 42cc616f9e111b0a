#include "api/unchanged.h"

#include <fmt/format.h>

#include "base/error.h"

namespace merganser {

void check_unchanged(const Checkpoint& checkpoint, std::string_view what) {
  const auto changed = checkpoint.changed_file();
  if (!changed) return;
  throw Error(ErrorKind::io, "it was changed while it was being read")
      .in_file(changed->string())
      .hint(fmt::format("{} again when nothing writes to it", what));
}

void check_unchanged(const PlanModel& model, std::string_view what) {
  check_unchanged(model.file->checkpoint(), what);
  for (const auto& file : model.also_read) check_unchanged(file->checkpoint(), what);
}

void check_unchanged(const Plan& plan, std::string_view what) {
  for (const PlanModel* model : plan.checkpoints()) check_unchanged(*model, what);
}

}  // namespace merganser
