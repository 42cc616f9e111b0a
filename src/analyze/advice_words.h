// How advice words its numbers.
#pragma once

#include <string>
#include <vector>

namespace merganser {

std::string percent(double share);                          // "24 %", "4.5 %"
std::string listed(const std::vector<std::string>& words);  // "a, b and c"

}  // namespace merganser
