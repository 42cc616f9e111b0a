// An output while it is made: its hidden folder, the sink that writes into it, and the journal by
// which a later run goes on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "execute/folder_sink.h"
#include "layout/output_folder.h"
#include "merganser/merganser.h"
#include "smile/expert_store.h"

namespace merganser {

class OutputRun {
 public:
  // Throws Error for a target that cannot be written to. The plan must live as long; until begin()
  // it may still change. `aside`: bytes beside the output while it is made.
  OutputRun(const Plan& plan, const Request& request, std::uint64_t aside);

  // `facts`: those that are known before the run. Throws Error for an unfinished run that cannot be
  // gone on with.
  void begin(const ProvenanceFacts& facts);
  // The same of its tensors alone, ahead of work that begin() has to wait for. Only where the plan
  // will not change any more.
  void check_unfinished(const ProvenanceFacts& facts);
  // The unfinished run cannot be gone on with.
  bool refused() const { return refused_; }

  const std::filesystem::path& folder() const { return folder_->path(); }
  // Before begin(): where a mixture's factors stay for a later run, if the request asks for it.
  std::optional<KeptFactors> kept_factors(const ProvenanceFacts& facts) const;
  Sink& sink() { return *sink_; }
  // What an unfinished run has made already.
  const std::vector<JobRecord>& done() const { return done_; }

  // After a failure, until install(): keeps what is whole, where the request asks for it and the
  // failure leaves it good. `factors`: some are kept in any case. Returns how many tensors are
  // kept.
  std::size_t keep_unfinished(bool factors) noexcept;

  void close();  // all tensors written, and durable where the request says so
  // Everything beside the weights. Returns the provenance.
  std::string write_companions(const ProvenanceFacts& facts);
  void install();

 private:
  RunIdentity identity(const ProvenanceFacts& facts) const;
  std::optional<JournalContent> unfinished_tensors(const RunIdentity& ours) const;

  const Plan& plan_;
  const Request& request_;
  std::optional<OutputFolder> folder_;
  std::optional<FolderSink> sink_;
  std::vector<JobRecord> done_;
  std::size_t closed_ = 0;  // tensors in the journal when the sink was closed
  bool refused_ = false;
};

}  // namespace merganser
