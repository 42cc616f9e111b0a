#include "execute/engine.h"

#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "execute/documents.h"
#include "execute/schedule.h"

namespace merganser {
namespace {

class Run {
 public:
  Run(const Plan& plan, const Budget& budget, const EngineOptions& options, Sink& sink,
      Progress& progress)
      : budget_(budget),
        progress_(progress),
        documents_(plan, budget, options, progress, stop_.get_token()),
        context_{plan,    budget,        options,
                 sink,    progress,      stop_.get_token(),
                 report_, report_mutex_, documents_.sources(plan)},
        groups_(group_jobs(plan)),
        hashed_(options.hash == HashKind::none ? 0 : documents_.checkpoint_inputs()),
        schedule_(groups_.size() + hashed_, budget.window,
                  [this](std::size_t g) { return make(g); }) {
    report_.output_hashes.resize(plan.jobs.size());
    report_.output_non_finite.resize(plan.jobs.size());
    report_.facts.resize(plan.jobs.size());
    report_.mask_hashes.resize(plan.masks.size());
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
    documents_.report_hashes(report_);
    return std::move(report_);
  }

 private:
  std::unique_ptr<Group> make(std::size_t group) {
    if (group < groups_.size()) return make_group(context_, groups_[group]);
    return documents_.hash_group(group - groups_.size(), context_.options.hash);
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
  Documents documents_;
  RunContext context_;
  std::vector<std::vector<std::size_t>> groups_;
  std::size_t hashed_ = 0;  // groups that only hash what documents read
  Schedule schedule_;
};

}  // namespace

EngineReport run_plan(const Plan& plan, const Budget& budget, const EngineOptions& options,
                      Sink& sink, Progress& progress) {
  progress.begin(bytes_to_read(plan, budget.held_bytes, options.hash != HashKind::none));
  return Run(plan, budget, options, sink, progress).run();
}

}  // namespace merganser
