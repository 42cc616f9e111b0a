#include "execute/group.h"

namespace merganser {

std::vector<std::vector<std::size_t>> group_jobs(const Plan& plan) {
  std::vector<std::vector<std::size_t>> first, rest;
  std::vector<std::size_t> whole_model;
  for (std::size_t i = 0; i < plan.jobs.size(); ++i) {
    const PlanJob& job = plan.jobs[i];
    if (job.action == PlanJob::Action::integers) {
      first.push_back({i});
    } else if (job.action == PlanJob::Action::merge && job.whole_model) {
      whole_model.push_back(i);
    } else {
      rest.push_back({i});
    }
  }
  if (!whole_model.empty()) first.push_back(std::move(whole_model));
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

std::unique_ptr<Group> make_group(const RunContext& context, const std::vector<std::size_t>& jobs) {
  switch (context.plan.jobs[jobs[0]].action) {
    case PlanJob::Action::copy:
      return make_copy_group(context, jobs[0]);
    case PlanJob::Action::integers:
      return make_integer_group(context, jobs[0]);
    case PlanJob::Action::make:
      return make_made_group(context, jobs[0]);
    case PlanJob::Action::merge:
      break;
  }
  return make_merge_group(context, jobs);
}

}  // namespace merganser
