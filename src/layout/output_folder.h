// Everything of an output but its weights: where it is put together, and what stands beside them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "plan/plan.h"

namespace merganser {

// What a run learnt that its plan could not know. The same for every run of one plan: no clock,
// host, thread count or instruction set.
struct ProvenanceFacts {
  std::string version;  // of this program
  HashKind hash = HashKind::xxh3;
  std::string non_finite;  // the policy, where it is not the default
  // Of methods whose last bits depend on them: the BLAS, its kernel and its threads.
  std::string blas_library, blas_kernel;
  unsigned blas_threads = 0;
  std::vector<std::string> output_hashes;  // by job; "" or absent: none was taken
  std::map<std::pair<std::size_t, std::size_t>, std::string> input_hashes;  // (model, tensor)
  // Of the checkpoints' tensors that documents read, by the document's name.
  std::map<std::string, std::map<std::pair<std::size_t, std::size_t>, std::string>> document_hashes;
  std::vector<std::uint64_t> output_non_finite;  // by job
  std::vector<std::string> mask_hashes;          // of Plan::masks
  std::vector<std::vector<Fact>> facts;          // by job
  std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> input_non_finite;
};

// Before any work. Throws Error(usage) for a target that is, holds or lies in an input (whatever
// links and ".." lead there), that exists while `replace` is false, that is a folder where a file
// comes out or the other way round, or whose parent is not there; Error(io) for a parent that
// cannot be written to and for a disk without room. `aside`: bytes that lie beside the output while
// it is made.
void check_target(const Plan& plan, const std::filesystem::path& target, bool replace,
                  std::uint64_t aside = 0);

// What an output must neither be, hold nor lie in.
struct TargetInput {
  std::string name;                           // for people
  std::vector<std::filesystem::path> places;  // its folder, and the files that it reads
};

// The same for an output of another kind: a folder (or a file, where `single_file`) of that size.
void check_target(std::span<const TargetInput> inputs, bool single_file, std::uint64_t bytes,
                  const std::filesystem::path& target, bool replace);

// The target's real place: absolute, links followed, no "..". Throws Error.
std::filesystem::path resolve_target(const std::filesystem::path& target);

// A hidden folder beside the target that becomes the target, or vanishes. While it lives, no other
// run can write to the same target: Error(usage). What a killed run left is removed, or, where
// `resume` asks for it and it has a journal, taken over.
class OutputFolder {
 public:
  // `single_file`: the target is a file, the one .safetensors in this folder.
  OutputFolder(const std::filesystem::path& target, bool single_file, bool resume = false);
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  ~OutputFolder();

  // Always a folder, also for a single file.
  const std::filesystem::path& path() const { return path_; }
  std::string title() const { return target_.filename().string(); }  // for the model card

  bool resumed() const { return resumed_; }  // an unfinished run's folder
  std::filesystem::path journal() const;     // where the journal of the run stands
  // Where a mixture's factors are put aside, and the journal of them.
  std::filesystem::path factors() const;
  std::filesystem::path factors_journal() const;
  // The folder stays, for a later run to go on in.
  void keep() { keep_ = true; }
  // Removes from an unfinished run's folder all that is none of these files, journal or factors.
  void clear(const ShardPlan& weights, const ShardPlan& masks) const;

  // After everything is written. A single file's provenance goes beside it: "x.safetensors" gets
  // "x.merganser.json".
  void install(bool replace);

 private:
  class Lock;

  std::filesystem::path target_, path_;
  bool single_file_ = false, resumed_ = false, keep_ = false;
  std::unique_ptr<Lock> lock_;
};

// Where the provenance of an output stands: in the folder, or beside the file.
std::filesystem::path provenance_of(const std::filesystem::path& output, bool single_file);
// Where a single file's provenance stands.
std::filesystem::path provenance_beside(const std::filesystem::path& file);

// The reference's files that the output takes over byte for byte, in name order.
std::vector<std::string> companion_list(const Plan& plan);
// Copies them into a folder, and the config, where the output's differs from the reference's. Of
// outputs that are no merges, whose weights and records others write.
void copy_companion_files(const Plan& plan, const std::filesystem::path& folder);
// Room that all but the weights need on the disk; an estimate for what is written anew.
std::uint64_t companion_bytes(const Plan& plan);

// All but the weights and their index, synced: config, the reference's other files, chat template,
// recipe, model card, provenance. For a single file the provenance alone. `title` heads the card.
// Returns the provenance.
std::string write_companions(const Plan& plan, const ProvenanceFacts& facts,
                             const std::filesystem::path& folder, const std::string& title);

// The provenance of a merge whose output is not written.
std::string describe_merge(const Plan& plan, const ProvenanceFacts& facts);

}  // namespace merganser
