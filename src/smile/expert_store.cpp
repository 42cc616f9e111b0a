#include "smile/expert_store.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace merganser {
namespace {

constexpr std::uint64_t kMost = 256 << 20;  // bytes of a journal
constexpr std::uint64_t kPiece = 1 << 20;   // bytes read at once

// So that nothing that a decomposition could not have found gets into the choice of ranks.
bool are_singular_values(const std::vector<double>& s) {
  return std::ranges::all_of(s, [](double x) { return std::isfinite(x) && x >= 0; }) &&
         std::ranges::is_sorted(s, std::greater<>());
}

}  // namespace

ExpertStore::ExpertStore(const std::filesystem::path& folder)
    : file_(std::make_shared<ScratchFile>(folder)) {}

ExpertStore::ExpertStore(const KeptFactors& kept, const Plan& plan, const SmileModules& modules)
    : place_(kept), hasher_(Hasher::make(HashKind::xxh3)) {
  std::error_code code;
  if (std::filesystem::exists(kept.journal, code)) {
    found_ = parse_factors_journal(read_text(kept.journal, kMost), kept.identity, plan, modules,
                                   kept.journal.string());
  }
  kept_ = found_.modules.size();
  file_ = ScratchFile::named(kept.factors);
}

void ExpertStore::take_over(Progress& progress) {
  if (!place_) return;
  if (kept_ > 0) {
    progress.stage("checking what is decomposed");
    progress.begin(found_.modules.back().end);
  }
  std::size_t good = 0;
  while (good < found_.modules.size() && load(found_.modules[good], progress)) ++good;
  found_.modules.resize(good);
  found_.ends.resize(good);
  kept_ = good;
  recorded_ = good == 0 ? 0 : found_.modules.back().end;
  file_->cut(recorded_);
  try {
    if (found_.valid_bytes() > 0) {
      journal_.emplace(place_->journal, found_.valid_bytes());
    } else {
      journal_.emplace(place_->journal, factors_identity_line(place_->identity));
    }
  } catch (const Error&) {  // without it this merge is made all the same
  }
}

// Fills in the singular values. False: the bytes are not those that were recorded.
bool ExpertStore::load(ModuleRecord& record, Progress& progress) const {
  if (record.end > file_->size()) return false;
  const auto hasher = Hasher::make(HashKind::xxh3);
  std::vector<std::byte> piece;
  for (std::uint64_t at = record.begin; at < record.end; at += piece.size()) {
    if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    piece.resize(static_cast<std::size_t>(std::min(kPiece, record.end - at)));
    file_->read(at, piece);
    hasher->update(piece);
    progress.advance(piece.size());
  }
  if (hasher->finish() != record.bytes) return false;
  std::uint64_t at = record.end - record.value_bytes();
  for (std::size_t e = 0; e < record.experts.size(); ++e) {
    std::vector<double>& s = record.experts[e].s;
    s.resize(record.values[e]);
    file_->read(at, std::as_writable_bytes(std::span(s)));
    at += s.size() * sizeof(double);
    if (!are_singular_values(s)) return false;
  }
  return true;
}

std::uint64_t ExpertStore::append(std::span<const std::byte> bytes) {
  if (hasher_) hasher_->update(bytes);
  return file_->append(bytes);
}

bool ExpertStore::write(std::string_view line) {
  if (!journal_) return false;
  try {
    journal_->append(line);
    return true;
  } catch (const Error&) {
    journal_.reset();
    return false;
  }
}

void ExpertStore::add(const RestRecord& record) { write(line_of(record)); }

void ExpertStore::add(const SmileModule& module, const std::vector<Expert>& experts,
                      std::vector<InputHash> hashes) {
  if (!journal_) return;
  ModuleRecord record;
  record.experts = experts;
  record.hashes = std::move(hashes);
  for (const Expert& expert : experts) {
    record.values.push_back(expert.s.size());
    append(std::as_bytes(std::span(expert.s)));
  }
  record.begin = std::exchange(recorded_, file_->size());
  record.end = recorded_;
  record.bytes = std::exchange(hasher_, Hasher::make(HashKind::xxh3))->finish();
  file_->sync();
  if (write(line_of(record, module))) ++kept_;
}

}  // namespace merganser
