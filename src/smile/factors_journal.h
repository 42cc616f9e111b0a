// The journal of a decomposition: which layers' factors lie whole in a scratch file with a name,
// and what is known of them, so that a later run takes them over. Hashed lines
// (base/hashed_lines.h): the identity of the run, what was measured first, then the layers in their
// order. Lines after a damaged one do not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/run_identity.h"
#include "smile/experts.h"

namespace merganser {

struct InputHash {
  PlanInput input;
  std::string hash;
};

// Of what is measured before any layer is decomposed.
struct RestRecord {
  std::vector<double> biases, rest;  // as in Experts
  std::vector<InputHash> hashes;     // of what was read for it
};

// Of one layer.
struct ModuleRecord {
  // In the journal without their singular values: of a large model they would make it very long.
  // They lie behind the factors, f64, expert by expert, up to `end`.
  std::vector<Expert> experts;
  std::vector<std::size_t> values;  // how many of each expert
  std::vector<InputHash> hashes;
  std::uint64_t begin = 0,
                end = 0;  // of the scratch file, bytes; it begins where the last one ends
  std::string bytes;      // hash of that range, xxh3

  std::uint64_t value_bytes() const;
};

struct FactorsJournal {
  std::optional<RestRecord> rest;
  std::vector<ModuleRecord> modules;  // of the first ones
  std::vector<std::uint64_t> ends;    // of the modules' lines
  std::uint64_t head = 0;             // bytes of the lines before them

  std::uint64_t valid_bytes() const { return ends.empty() ? head : ends.back(); }
};

std::string factors_identity_line(const RunIdentity& identity);
std::string line_of(const RestRecord& record);
std::string line_of(const ModuleRecord& record, const SmileModule& module);

// `plan`, `modules`: those that are decomposed, before ranks are chosen. Every record that comes
// back fits them: ranks, offsets and sizes, inputs. Throws Error(mismatch) for another run,
// Error(corrupt) for another file; `name` is for errors.
FactorsJournal parse_factors_journal(std::string_view text, const RunIdentity& identity,
                                     const Plan& plan, const SmileModules& modules,
                                     const std::string& name);

}  // namespace merganser
