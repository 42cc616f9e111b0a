// What tells whether an unfinished run is one that another can go on with.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "plan/plan.h"

namespace merganser {

// What must be the same for a run to go on where another one stopped.
struct RunIdentity {
  std::string merge;                 // hash of everything that decides the output but the weights
  std::vector<FileIdentity> inputs;  // the weights; paths absolute
};

// Every weight file that the plan reads.
std::vector<FileIdentity> input_identities(const Plan& plan);

// The first of a file's hashed lines (base/hashed_lines.h). `kind` tells one kind of file from
// another.
std::string identity_line(const RunIdentity& identity, std::string_view kind);

// Where the second line begins. Throws Error(mismatch) naming what differs from `identity`: another
// merge, or a changed input; Error(corrupt) for a file of another kind. `name` is for errors.
std::size_t check_identity(std::string_view text, const RunIdentity& identity,
                           std::string_view kind, const std::string& name);

}  // namespace merganser
