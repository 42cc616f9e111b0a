// Where a decomposition puts its factors aside: for this process alone, or so that a later run of
// the same merge goes on behind the last whole layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/file_append.h"
#include "base/file_scratch.h"
#include "base/hash.h"
#include "base/progress.h"
#include "smile/factors_journal.h"

namespace merganser {

// Two files that stay, and whose they are.
struct KeptFactors {
  std::filesystem::path factors, journal;
  RunIdentity identity;
};

class ExpertStore {
 public:
  // In a scratch file without a name, made in `folder`.
  explicit ExpertStore(const std::filesystem::path& folder);
  // In these files. `modules` as for parse_factors_journal(), which reads what an earlier run noted
  // down; throws Error as that does.
  ExpertStore(const KeptFactors& kept, const Plan& plan, const SmileModules& modules);
  ExpertStore(const ExpertStore&) = delete;
  ExpertStore& operator=(const ExpertStore&) = delete;

  // Before anything is added: holds what the earlier run put aside against its notes, up to the
  // first layer that is not as recorded, and cuts it off there. All of it is read, in pieces.
  // Throws Error: io, interrupted.
  void take_over(Progress& progress);

  // Of the earlier run: what was measured, and the first layers. Only after take_over() they are
  // known to be good, and have their singular values.
  const std::optional<RestRecord>& rest() const { return found_.rest; }
  const std::vector<ModuleRecord>& taken() const { return found_.modules; }

  std::shared_ptr<const ScratchFile> file() const { return file_; }
  std::uint64_t append(std::span<const std::byte> bytes);  // as of ScratchFile

  // What was appended since the last record is this layer's. Durable on return, where it is kept. A
  // journal that cannot be written ends silently: this merge does not need it.
  void add(const RestRecord& record);
  void add(const SmileModule& module, const std::vector<Expert>& experts,
           std::vector<InputHash> hashes);

  // Layers that a later run can take over.
  std::size_t kept() const { return kept_; }

 private:
  bool load(ModuleRecord& record, Progress& progress) const;
  bool write(std::string_view line);

  std::shared_ptr<ScratchFile> file_;
  std::optional<KeptFactors> place_;
  FactorsJournal found_;
  std::optional<AppendFile> journal_;  // none: nothing is kept (any more)
  std::unique_ptr<Hasher> hasher_;     // of what was appended since the last record
  std::uint64_t recorded_ = 0;         // bytes of the scratch file
  std::size_t kept_ = 0;
};

}  // namespace merganser
