// The documents that a plan needs, as sources: their tensors are computed when they are read.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "execute/document_source.h"
#include "execute/group.h"

namespace merganser {

class Documents {
 public:
  Documents(const Plan& plan, const Budget& budget, const EngineOptions& options,
            Progress& progress, std::stop_token stop);
  Documents(const Documents&) = delete;

  // Of each model of a plan: the final one's, or a document's.
  std::vector<const Source*> sources(const Plan& plan) const;

  // Tensors of checkpoints that documents read, and groups that hash them: a document reads in no
  // fixed order, and perhaps more than once.
  std::size_t checkpoint_inputs() const { return inputs_.size(); }
  std::unique_ptr<Group> hash_group(std::size_t index, HashKind kind) const;
  void report_hashes(EngineReport& report) const;

 private:
  struct Input {
    std::size_t document;
    PlanInput input;
  };

  std::vector<std::unique_ptr<DocumentSource>> documents_;
  std::map<const Plan*, std::size_t> index_;
  std::vector<Input> inputs_;
};

}  // namespace merganser
