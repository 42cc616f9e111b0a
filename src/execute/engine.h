// Carries out a plan: reads chunks, lets the methods merge them, writes them to a sink.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/progress.h"
#include "execute/budget.h"
#include "execute/job_record.h"
#include "execute/sink.h"
#include "plan/plan.h"

namespace merganser {

enum class NonFinite { error, warn, ignore };  // NaN and Inf in inputs or outputs

struct EngineOptions {
  HashKind hash = HashKind::xxh3;
  NonFinite non_finite = NonFinite::error;
  std::vector<JobRecord> done;  // by an earlier run into the same sink: not merged again
};

struct EngineReport {
  // By (model, tensor) and by job; "" where nothing was hashed.
  std::map<std::pair<std::size_t, std::size_t>, std::string> input_hashes;
  std::vector<std::string> output_hashes;
  std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> input_non_finite;  // counts > 0
  std::vector<std::uint64_t> output_non_finite;  // by job; also overflow of a narrow dtype
  std::vector<std::string> mask_hashes;          // of Plan::masks
  std::vector<std::vector<Fact>> facts;          // by job: what the method tells of its merge
  // Of the checkpoints' tensors that documents read: by the document's name.
  std::map<std::string, std::map<std::pair<std::size_t, std::size_t>, std::string>> document_hashes;
  std::uint64_t bytes_read = 0, bytes_written = 0;  // by this run

  // Enters what a job's record tells; not the bytes.
  void add(const Plan& plan, const JobRecord& record);
};

// The result is the same for any budget. Throws the first Error of any worker; the sink's content
// is then worthless. Progress::stop() ends it with Error(interrupted).
EngineReport run_plan(const Plan& plan, const Budget& budget, const EngineOptions& options,
                      Sink& sink, Progress& progress);

}  // namespace merganser
