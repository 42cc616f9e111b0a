// The loss between models as a page that a browser shows.
#pragma once

#include <string>
#include <string_view>

namespace merganser {

// As analysis_page() of a `merganser barrier --json` document (docs/barrier.md).
std::string barrier_page(std::string_view json);

}  // namespace merganser
