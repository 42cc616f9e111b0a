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

OutputRun::OutputRun(const Plan& plan, const Request& request) : plan_(plan), request_(request) {
  const std::filesystem::path target(request.output);
  if (request.resume && !request.sync) {
    throw Error(ErrorKind::usage, "--resume does not go with --no-sync")
        .hint("only what is surely on the disk can be gone on with");
  }
  check_target(plan, target, request.force);
  folder_.emplace(target, plan.single_file, request.resume);
}

void OutputRun::begin(const ProvenanceFacts& facts) {
  const RunIdentity identity{merge_hash(plan_, facts), input_identities(plan_)};
  std::uint64_t valid_bytes = 0;
  if (folder_->resumed()) {
    JournalContent content = read_journal(folder_->journal(), identity, plan_);
    valid_bytes = content.valid_bytes;
    done_ = std::move(content.records);
    folder_->clear(plan_.shards, plan_.mask_shards);
  }
  sink_.emplace(plan_, folder_->path(), folder_->resumed());
  if (request_.sync) sink_->keep_journal(folder_->journal(), identity, valid_bytes);
}

std::size_t OutputRun::keep_unfinished() noexcept {
  if (!request_.resume || !sink_) return 0;
  try {
    sink_->settle();
  } catch (...) {
    return 0;  // not on the disk, so nothing to go on with
  }
  const std::size_t kept = done_.size() + sink_->journaled();
  if (kept > 0) folder_->keep();
  return kept;
}

void OutputRun::close() {
  if (request_.sync) sink_->sync();
  sink_.reset();
}

std::string OutputRun::write_companions(const ProvenanceFacts& facts) {
  return merganser::write_companions(plan_, facts, folder_->path(), folder_->title());
}

void OutputRun::install() { folder_->install(request_.force); }

}  // namespace merganser
