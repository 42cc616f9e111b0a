// A merge that is tried without being written: a recipe's output as a model that runs, in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "api/request.h"
#include "base/progress.h"
#include "runtime/model.h"

namespace merganser::rt {

// Merges recipes one after the other into the tensors of one model. A tensor that the last recipe
// made in the same way (plan/same_jobs.h) stays as it is; one that the model's family does not use
// is not merged at all. The values are those that loading the written output would give.
class Candidate {
 public:
  Candidate(const Placement& placement, unsigned threads)
      : placement_(placement), threads_(threads) {}

  // The model of the merge that the request asks for, valid until the next call; its output,
  // threads and hashes are not looked at. Where the output's config or tensors differ from the last
  // ones, the model is built anew. Throws Error as a merge and as build_model() do, and
  // Error(interrupted) once progress.stopped(); the next merge then makes every tensor.
  const Model& merge(const Request& request, Progress& progress);

  struct Work {
    std::size_t merged = 0, kept = 0, unused = 0;  // tensors of the last merge
  };
  const Work& work() const { return work_; }
  const Prepared& prepared() const { return *prepared_; }  // of the last merge

 private:
  // `label` names the merge in errors.
  void build(const Prepared& prepared, const std::string& label);
  void merge_mixture(Prepared& prepared, const std::string& label, Progress& progress);

  Placement placement_;
  unsigned threads_;
  std::unique_ptr<Model> model_;
  std::optional<Prepared> prepared_;
  bool whole_ = false;  // the model holds what prepared_ says
  Work work_;
};

}  // namespace merganser::rt
