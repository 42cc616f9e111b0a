// The output of a document: computed when it is read, in the document's own types, and held while
// there is room. Reading it gives the bytes that running the document by itself would have written.
#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "execute/group.h"
#include "source/source.h"

namespace merganser {

class DocumentSource final : public Source {
 public:
  DocumentSource(const Plan& plan, const Budget& budget, const EngineOptions& options,
                 Progress& progress, std::stop_token stop, std::vector<const Source*> sources);
  ~DocumentSource() override;

  std::string label() const override { return plan_.recipe.name; }
  const std::vector<TensorInfo>& headers() const override { return headers_; }
  void read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const override;

  const RunContext& context() const { return context_; }
  const EngineReport& report() const { return report_; }

 private:
  class Capture;
  struct Held;
  struct Slot {  // of a group
    std::mutex mutex;
    std::shared_ptr<Group> group;  // after its reductions; null before, and when it was dropped
  };
  class Borrowed;

  std::shared_ptr<Group> opened(std::size_t group) const;
  std::shared_ptr<Held> held(std::size_t tensor, std::size_t chunks) const;
  // One chunk, which begins at byte `begin` of the tensor.
  void compute(std::size_t tensor, std::size_t chunk, std::uint64_t begin, std::byte* out) const;

  const Plan& plan_;
  std::vector<TensorInfo> headers_;
  Budget budget_;
  EngineOptions options_;
  mutable EngineReport report_;
  mutable std::mutex report_mutex_;
  std::unique_ptr<Capture> capture_;
  RunContext context_;

  std::vector<std::vector<std::size_t>> groups_;
  std::vector<std::pair<std::size_t, std::size_t>> place_;  // by job: group, number in it
  mutable std::vector<Slot> slots_;

  mutable std::mutex mutex_;                   // of what follows
  mutable std::list<std::size_t> recent_;      // open groups, the latest first
  mutable std::list<std::size_t> held_order_;  // held tensors, the latest first
  mutable std::map<std::size_t, std::shared_ptr<Held>> held_;
  mutable std::uint64_t held_bytes_ = 0;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace merganser
