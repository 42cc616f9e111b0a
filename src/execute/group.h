// A group of jobs that share one Merger, as a sequence of phases over chunks: the sample, the full
// reductions, and the writing phase.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "execute/budget.h"
#include "execute/engine.h"
#include "execute/tensor_hashes.h"
#include "execute/workspace.h"
#include "plan/plan.h"
#include "source/source.h"

namespace merganser {

// What all groups of a run share.
struct RunContext {
  const Plan& plan;
  const Budget& budget;
  const EngineOptions& options;
  Sink& sink;
  Progress& progress;
  std::stop_token stop;
  EngineReport& report;
  std::mutex& report_mutex;
  std::vector<const Source*> sources;  // of the plan's models
  std::vector<bool> done;              // by job: an earlier run made it; empty: none

  bool is_done(std::size_t job) const { return !done.empty() && done[job]; }
};

class Group {
 public:
  virtual ~Group() = default;
  std::size_t tensors() const { return jobs_.size(); }
  // Chunks of a tensor in the current phase; 0: it has no part in it. Never 0 for all of them.
  virtual std::size_t chunks(std::size_t tensor) const = 0;
  virtual std::size_t chunk_elements(std::size_t tensor) const = 0;  // the last may be shorter
  virtual bool writing() const = 0;  // the current phase is the last one
  // Thread-safe for different chunks; a tensor's chunks are begun in order. Of the writing phase a
  // chunk may be run again where nothing is hashed.
  virtual void run_chunk(std::size_t tensor, std::size_t chunk, Workspace& workspace) = 0;
  // All chunks of the tensor are done. At once only for different tensors.
  virtual void finish_tensor(std::size_t tensor) = 0;
  // All tensors are finished: the next phase, or false after the writing one. Alone.
  virtual bool next_phase() = 0;

 protected:
  Group(RunContext context, std::vector<std::size_t> jobs)
      : context_(context), jobs_(std::move(jobs)) {}

  RunContext context_;
  std::vector<std::size_t> jobs_;  // indices in the plan
};

// Jobs that share a merger. Integer tensors come first: they may refuse the merge, and are small.
std::vector<std::vector<std::size_t>> group_jobs(const Plan& plan);
// The group of these jobs, by their action.
std::unique_ptr<Group> make_group(const RunContext& context, const std::vector<std::size_t>& jobs);

// Throws Error for settings that a method refuses as a whole.
std::unique_ptr<Group> make_merge_group(const RunContext& context, std::vector<std::size_t> jobs);
// Copies of one job: bit for bit, or through the working type to another dtype.
std::unique_ptr<Group> make_copy_group(const RunContext& context, std::size_t job);
// A tensor of Plan::made, in the output's dtype.
std::unique_ptr<Group> make_made_group(const RunContext& context, std::size_t job);
// Reads one tensor of a checkpoint and hashes it.
std::unique_ptr<Group> make_hash_group(const RunContext& context, const PlanInput& input,
                                       HashKind kind);
// Integer tensors: equal inputs are copied, different ones follow the recipe's rule.
std::unique_ptr<Group> make_integer_group(const RunContext& context, std::size_t job);

}  // namespace merganser
