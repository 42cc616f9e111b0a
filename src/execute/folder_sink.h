// The sink that writes weight files, and keeps the journal of what is whole.
#pragma once

#include <filesystem>
#include <optional>

#include "checkpoint/shards.h"
#include "execute/journal.h"
#include "execute/sink.h"

namespace merganser {

class FolderSink final : public Sink {
 public:
  // `reopen`: the files of an unfinished run of the same plan.
  FolderSink(const Plan& plan, const std::filesystem::path& folder, bool reopen = false);

  void write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) override;
  void write_mask(std::size_t mask, std::uint64_t begin, std::span<const std::byte> bytes) override;
  void finish(const JobRecord& record) override;

  // From now on; behind `valid_bytes` of a journal that is there.
  void keep_journal(const std::filesystem::path& path, const RunIdentity& identity,
                    std::uint64_t valid_bytes);
  std::size_t journaled() const { return journal_ ? journal_->written() : 0; }
  // The journal holds all that is finished. Throws Error(io) where that cannot be made durable.
  void settle();
  // All of it durable, journal included.
  void sync();

 private:
  void sync_jobs(const std::vector<std::size_t>& jobs);

  const Plan& plan_;
  ShardWriter writer_;
  std::optional<ShardWriter> masks_;
  std::optional<Journal> journal_;  // last: its thread uses the others
};

}  // namespace merganser
