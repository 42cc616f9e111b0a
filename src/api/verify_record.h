// An output against a provenance that was read already.
#pragma once

#include <filesystem>

#include "base/json.h"
#include "base/progress.h"
#include "merganser/merganser.h"

namespace merganser {

// `told`: of read_provenance(); `place`: where it was read from. Throws Error for an output that
// cannot be opened, and for hashes of unknown kinds; all else that is wrong is in the report.
VerifyReport verify_record(const Json& told, const std::filesystem::path& place,
                           const VerifyRequest& request, Progress& progress);

}  // namespace merganser
