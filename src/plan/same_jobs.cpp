#include "plan/same_jobs.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "plan/run_identity.h"

namespace merganser {
namespace {

bool same_files(const Plan& before, const Plan& now) {
  std::map<std::string, FileIdentity> known;
  for (FileIdentity& one : input_identities(before)) {
    std::string path = one.path.string();
    known.emplace(std::move(path), std::move(one));
  }
  for (const FileIdentity& one : input_identities(now)) {
    const auto found = known.find(one.path.string());
    if (found == known.end()) continue;  // a job that reads it names another model
    const FileIdentity& other = found->second;
    if (one.size != other.size || one.inode != other.inode || one.device != other.device ||
        one.mtime_ns != other.mtime_ns) {
      return false;
    }
  }
  return true;
}

bool spans_model(const PlanJob& job) {
  return job.action == PlanJob::Action::merge && job.whole_model;
}

class Comparison {
 public:
  Comparison(const Plan& before, const Plan& now) : before_(before), now_(now) {}

  std::vector<bool> jobs() {
    std::vector<bool> same(now_.jobs.size());
    if (before_.made || now_.made) return same;
    bool model = spanning(before_) == spanning(now_);
    for (std::size_t j = 0; j < same.size(); ++j) {
      const auto other = find(now_.jobs[j].output.name);
      same[j] = other && same_job(before_.jobs[*other], now_.jobs[j]);
      if (spans_model(now_.jobs[j])) model = model && same[j];
    }
    for (std::size_t j = 0; j < same.size(); ++j) {
      if (spans_model(now_.jobs[j])) same[j] = model;
    }
    return same;
  }

 private:
  static std::ptrdiff_t spanning(const Plan& plan) {
    return std::count_if(plan.jobs.begin(), plan.jobs.end(), spans_model);
  }

  std::optional<std::size_t> find(const std::string& name) const {
    const auto found = std::lower_bound(
        before_.jobs.begin(), before_.jobs.end(), name,
        [](const PlanJob& job, const std::string& wanted) { return job.output.name < wanted; });
    if (found == before_.jobs.end() || found->output.name != name) return std::nullopt;
    return static_cast<std::size_t>(found - before_.jobs.begin());
  }

  bool same_job(const PlanJob& a, const PlanJob& b) {
    if (a.action != b.action || a.action == PlanJob::Action::make) return false;
    if (a.output.dtype != b.output.dtype || a.output.shape != b.output.shape) return false;
    if (!same_inputs(a.inputs, b.inputs) || a.base.has_value() != b.base.has_value()) return false;
    if (a.base && !same_input(*a.base, *b.base)) return false;
    if (a.action == PlanJob::Action::integers) {
      return before_.recipe.integers == now_.recipe.integers;
    }
    if (a.action == PlanJob::Action::copy) return true;
    return before_.method == now_.method && before_.recipe.seed == now_.recipe.seed &&
           a.settings == b.settings && a.numbers == b.numbers && a.sweeps == b.sweeps &&
           a.whole_model == b.whole_model && a.unit == b.unit && a.f64 == b.f64 &&
           a.change_scale == b.change_scale && a.identity == b.identity &&
           a.place.vocabulary == b.place.vocabulary;
  }

  bool same_inputs(const std::vector<PlanInput>& a, const std::vector<PlanInput>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](const PlanInput& x, const PlanInput& y) { return same_input(x, y); });
  }

  bool same_input(const PlanInput& a, const PlanInput& b) {
    const PlanModel &x = before_.models[a.model], &y = now_.models[b.model];
    if (x.headers()[a.tensor].name != y.headers()[b.tensor].name) return false;
    if ((x.document != nullptr) != (y.document != nullptr)) return false;
    if (x.document) return document_jobs(*x.document, *y.document)[b.tensor];
    return x.path == y.path && x.adapter_path == y.adapter_path && x.ref.same_as(y.ref);
  }

  // A document's headers are its jobs' outputs, in their order.
  const std::vector<bool>& document_jobs(const Plan& a, const Plan& b) {
    const auto [found, fresh] = documents_.try_emplace({&a, &b});
    if (fresh) found->second = Comparison(a, b).jobs();
    return found->second;
  }

  const Plan &before_, &now_;
  std::map<std::pair<const Plan*, const Plan*>, std::vector<bool>> documents_;
};

}  // namespace

std::vector<bool> same_jobs(const Plan& before, const Plan& now) {
  if (!same_files(before, now)) return std::vector<bool>(now.jobs.size());
  return Comparison(before, now).jobs();
}

}  // namespace merganser
