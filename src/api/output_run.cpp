#include "api/output_run.h"

#include <filesystem>

#include "base/error.h"
#include "base/hash.h"

namespace merganser {
namespace {

// Of everything that decides the output, but for the weights that are read.
std::string merge_hash(const Plan& plan, const ProvenanceFacts& facts) {
  const auto hasher = Hasher::make(HashKind::sha256);
  const auto add = [&](const std::string& text) { hasher->update(std::as_bytes(std::span(text))); };
  add(describe_merge(plan, facts));
  for (const ShardPlan* shards : {&plan.shards, &plan.mask_shards}) {
    for (const ShardPlan::File& file : shards->files) {
      add(file.name);
      add(file.header);
    }
  }
  return hasher->finish();
}

}  // namespace

OutputRun::OutputRun(const Plan& plan, const Request& request, std::uint64_t aside)
    : plan_(plan), request_(request) {
  const std::filesystem::path target(request.output);
  if (request.resume && !request.sync) {
    throw Error(ErrorKind::usage, "--resume does not go with --no-sync")
        .hint("only what is surely on the disk can be gone on with");
  }
  check_target(plan, target, request.force, aside);
  folder_.emplace(target, plan.single_file, request.resume);
}

RunIdentity OutputRun::identity(const ProvenanceFacts& facts) const {
  return {merge_hash(plan_, facts), input_identities(plan_)};
}

std::optional<KeptFactors> OutputRun::kept_factors(const ProvenanceFacts& facts) const {
  if (!request_.resume) return std::nullopt;
  return KeptFactors{folder_->factors(), folder_->factors_journal(), identity(facts)};
}

void OutputRun::begin(const ProvenanceFacts& facts) {
  const RunIdentity ours = identity(facts);
  std::optional<JournalContent> content;
  refused_ = folder_->resumed();
  if (folder_->resumed()) content = unfinished_tensors(ours);
  refused_ = content.has_value();
  sink_.emplace(plan_, folder_->path(), content.has_value());
  refused_ = false;
  if (content) done_ = std::move(content->records);
  if (request_.sync) {
    sink_->keep_journal(folder_->journal(), ours, content ? content->valid_bytes : 0);
  }
}

void OutputRun::check_unfinished(const ProvenanceFacts& facts) {
  std::error_code code;
  if (!folder_->resumed() || !std::filesystem::exists(folder_->journal(), code)) return;
  refused_ = true;
  read_journal(folder_->journal(), identity(facts), plan_);
  refused_ = false;
}

// None: the run was stopped before it wrote any, and left only the factors of a mixture.
std::optional<JournalContent> OutputRun::unfinished_tensors(const RunIdentity& ours) const {
  std::error_code code;
  if (!std::filesystem::exists(folder_->journal(), code)) {
    if (!plan_.made) {
      throw Error(ErrorKind::mismatch, "the unfinished run was another merge, of method smile")
          .in_file(folder_->factors_journal().string())
          .hint("merge from the start: leave out --resume");
    }
    folder_->clear({}, {});
    return std::nullopt;
  }
  JournalContent content = read_journal(folder_->journal(), ours, plan_);
  folder_->clear(plan_.shards, plan_.mask_shards);
  return content;
}

std::size_t OutputRun::keep_unfinished(bool factors) noexcept {
  if (!request_.resume) return 0;
  std::size_t kept = closed_;
  try {
    if (sink_) {
      sink_->settle();
      kept = done_.size() + sink_->journaled();
    }
  } catch (...) {
    kept = 0;  // not on the disk, so nothing to go on with
  }
  if (kept > 0 || factors) folder_->keep();
  return kept;
}

void OutputRun::close() {
  if (request_.sync) {
    sink_->sync();
    closed_ = done_.size() + sink_->journaled();
  }
  sink_.reset();
}

std::string OutputRun::write_companions(const ProvenanceFacts& facts) {
  return merganser::write_companions(plan_, facts, folder_->path(), folder_->title());
}

void OutputRun::install() { folder_->install(request_.force); }

}  // namespace merganser
