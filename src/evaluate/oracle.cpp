#include "evaluate/oracle.h"

#include "evaluate/gains.h"

namespace merganser::rt {

OneExpert::OneExpert(const Model& model, std::int64_t expert)
    : routing_(*model.routing()), before_(routing_) {
  routing_.set_free();
  routing_.expert = expert;
}

OneExpert::~OneExpert() { routing_ = before_; }

Tried try_experts(const Model& model, const TaskHead& head, const Task& task,
                  const Examples& examples, const ScoreOptions& options, Progress& progress) {
  Tried tried;
  const auto experts = static_cast<std::int64_t>(model.routing()->experts.size());
  for (std::int64_t e = 0; e < experts; ++e) {
    const OneExpert one(model, e);
    tried.scores.push_back(score(model, head, task, examples, options, progress));
    const auto best = static_cast<std::size_t>(tried.best);
    if (better(tried.scores.back(), tried.scores[best], task.metric)) tried.best = e;
  }
  return tried;
}

std::int64_t expert_named(const Model& model, const std::string& name) {
  std::string last = name;
  while (last.ends_with('/')) last.pop_back();
  last.erase(0, last.find_last_of("/+") + 1);
  const std::vector<std::string>& experts = model.routing()->experts;
  std::int64_t found = -1;
  for (std::size_t e = 0; e < experts.size(); ++e) {
    if (experts[e] != name && experts[e] != last) continue;
    if (found >= 0) return -1;
    found = static_cast<std::int64_t>(e);
  }
  return found;
}

}  // namespace merganser::rt
