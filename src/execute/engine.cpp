#include "execute/engine.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "execute/documents.h"
#include "execute/schedule.h"

namespace merganser {
namespace {

std::vector<bool> done_jobs(const Plan& plan, const EngineOptions& options) {
  std::vector<bool> done;
  if (!options.done.empty()) done.resize(plan.jobs.size());
  for (const JobRecord& record : options.done) done[record.job] = true;
  return done;
}

// Without the groups of which every job is done. Of the others every job takes part in the
// reductions, but only those that are not done are written.
std::vector<std::vector<std::size_t>> groups_to_do(const RunContext& context) {
  std::vector<std::vector<std::size_t>> groups = group_jobs(context.plan);
  std::erase_if(groups, [&](const std::vector<std::size_t>& jobs) {
    return std::all_of(jobs.begin(), jobs.end(), [&](std::size_t j) { return context.is_done(j); });
  });
  return groups;
}

std::uint64_t bytes_spared(const RunContext& context) {
  std::uint64_t total = 0;
  for (std::size_t job = 0; job < context.plan.jobs.size(); ++job) {
    if (context.is_done(job)) total += bytes_to_read(context.plan, job, context.budget.held_bytes);
  }
  return total;
}

class Run {
 public:
  Run(const Plan& plan, const Budget& budget, const EngineOptions& options, Sink& sink,
      Progress& progress)
      : budget_(budget),
        progress_(progress),
        documents_(plan, budget, options, progress, stop_.get_token()),
        context_{plan,
                 budget,
                 options,
                 sink,
                 progress,
                 stop_.get_token(),
                 report_,
                 report_mutex_,
                 documents_.sources(plan),
                 done_jobs(plan, options)},
        groups_(groups_to_do(context_)),
        hashed_(options.hash == HashKind::none ? 0 : documents_.checkpoint_inputs()),
        schedule_(groups_.size() + hashed_, budget.window,
                  [this](std::size_t g) { return make(g); }) {
    report_.output_hashes.resize(plan.jobs.size());
    report_.output_non_finite.resize(plan.jobs.size());
    report_.facts.resize(plan.jobs.size());
    report_.mask_hashes.resize(plan.masks.size());
    for (const JobRecord& record : options.done) report_.add(plan, record);
  }

  EngineReport run() {
    progress_.advance(bytes_spared(context_));
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

void EngineReport::add(const Plan& plan, const JobRecord& record) {
  for (const JobRecord::Input& input : record.inputs) {
    const std::pair key(input.input.model, input.input.tensor);
    if (!input.hash.empty()) input_hashes[key] = input.hash;
    if (input.non_finite > 0) input_non_finite[key] = input.non_finite;
  }
  output_hashes[record.job] = record.output_hash;
  output_non_finite[record.job] = record.output_non_finite;
  facts[record.job] = record.facts;
  for (std::size_t i = 0; i < record.mask_hashes.size(); ++i) {
    mask_hashes[plan.jobs[record.job].masks[i]] = record.mask_hashes[i];
  }
}

EngineReport run_plan(const Plan& plan, const Budget& budget, const EngineOptions& options,
                      Sink& sink, Progress& progress) {
  progress.begin(bytes_to_read(plan, budget.held_bytes, options.hash != HashKind::none));
  return Run(plan, budget, options, sink, progress).run();
}

}  // namespace merganser
