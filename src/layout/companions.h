// Which files of the reference's folder go with the output, and which do not and why. Private to
// this layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace merganser {

struct CompanionFile {
  std::string name;  // relative, with "/"
  std::uint64_t bytes = 0;
};

struct LeftOutFile {
  std::string name, reason;  // a folder's name ends with "/"
};

struct Companions {
  std::vector<CompanionFile> copied;  // sorted by name
  std::vector<LeftOutFile> left_out;  // sorted by name
  std::vector<std::string> notes;     // what a person should see
};

// Empty where the reference is a single file. Throws Error(io) for a folder that cannot be listed.
Companions find_companions(const Plan& plan);

// Copies them, folders included; every file and folder is synced.
void copy_companions(const Plan& plan, const Companions& companions,
                     const std::filesystem::path& folder);

// Whether the output's config differs from the reference's stored one (else it is a companion).
bool config_changed(const Plan& plan);

}  // namespace merganser
