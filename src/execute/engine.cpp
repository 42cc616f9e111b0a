#include "execute/engine.h"

#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "execute/schedule.h"

namespace merganser {
namespace {

// Jobs that share a merger. Integer tensors come first: they may refuse the merge, and are small.
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

class Run {
 public:
  Run(const Plan& plan, const Budget& budget, const EngineOptions& options, Sink& sink,
      Progress& progress)
      : budget_(budget),
        progress_(progress),
        context_{plan, budget, options, sink, progress, stop_.get_token(), report_, report_mutex_},
        groups_(group_jobs(plan)),
        schedule_(groups_.size(), budget.window, [this](std::size_t g) { return make(g); }) {
    report_.output_hashes.resize(plan.jobs.size());
    report_.output_non_finite.resize(plan.jobs.size());
    report_.facts.resize(plan.jobs.size());
  }

  EngineReport run() {
    std::vector<std::thread> workers;
    try {
      while (workers.size() < budget_.threads) workers.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The system gives no more threads; the result does not depend on how many there are.
      if (workers.empty()) work();
    }
    for (std::thread& worker : workers) worker.join();
    if (failure_) std::rethrow_exception(failure_);
    return std::move(report_);
  }

 private:
  std::unique_ptr<Group> make(std::size_t group) {
    const std::vector<std::size_t>& jobs = groups_[group];
    switch (context_.plan.jobs[jobs[0]].action) {
      case PlanJob::Action::copy:
        return make_copy_group(context_, jobs[0]);
      case PlanJob::Action::integers:
        return make_integer_group(context_, jobs[0]);
      case PlanJob::Action::merge:
        break;
    }
    return make_merge_group(context_, jobs);
  }

  void work() {
    try {
      Workspace workspace;
      while (const auto item = schedule_.next(stop_.get_token())) {
        if (progress_.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
        item->run(workspace);
        schedule_.done(*item);
      }
    } catch (...) {
      {
        std::lock_guard lock(failure_mutex_);
        // Others then fail with "stopped"; the first failure is the one that says why.
        if (!failure_) failure_ = std::current_exception();
      }
      stop_.request_stop();
    }
  }

  const Budget& budget_;
  Progress& progress_;
  std::stop_source stop_;
  EngineReport report_;
  std::mutex report_mutex_, failure_mutex_;
  std::exception_ptr failure_;
  RunContext context_;
  std::vector<std::vector<std::size_t>> groups_;
  Schedule schedule_;
};

}  // namespace

EngineReport run_plan(const Plan& plan, const Budget& budget, const EngineOptions& options,
                      Sink& sink, Progress& progress) {
  progress.begin(plan.bytes_read);
  return Run(plan, budget, options, sink, progress).run();
}

}  // namespace merganser
