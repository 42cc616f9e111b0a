#include "execute/folder_sink.h"

#include <set>

namespace merganser {

FolderSink::FolderSink(const Plan& plan, const std::filesystem::path& folder, bool reopen)
    : plan_(plan), writer_(plan.shards, folder, reopen) {
  if (!plan.masks.empty()) masks_.emplace(plan.mask_shards, folder, reopen);
}

void FolderSink::write(std::size_t job, std::uint64_t begin, std::span<const std::byte> bytes) {
  writer_.write(job, begin, bytes);
}

void FolderSink::write_mask(std::size_t mask, std::uint64_t begin,
                            std::span<const std::byte> bytes) {
  masks_->write(mask, begin, bytes);
}

void FolderSink::finish(const JobRecord& record) {
  if (journal_) journal_->add(record);
}

void FolderSink::keep_journal(const std::filesystem::path& path, const RunIdentity& identity,
                              std::uint64_t valid_bytes) {
  journal_.emplace(path, identity, plan_, valid_bytes,
                   [this](const std::vector<std::size_t>& jobs) { sync_jobs(jobs); });
}

void FolderSink::sync_jobs(const std::vector<std::size_t>& jobs) {
  std::set<std::size_t> files;
  bool masks = false;
  for (const std::size_t job : jobs) {
    files.insert(plan_.shards.spots[job].file);
    masks = masks || !plan_.jobs[job].masks.empty();
  }
  for (const std::size_t file : files) writer_.sync(file);
  if (masks) masks_->sync();
}

void FolderSink::settle() {
  if (journal_) journal_->close();
}

void FolderSink::sync() {
  settle();
  writer_.sync();
  if (masks_) masks_->sync();
}

}  // namespace merganser
