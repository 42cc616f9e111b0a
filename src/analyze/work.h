// Independent pieces of work on a few threads.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace merganser {

// Runs act(order[0]), act(order[1]) .., begun in this order. The first exception stops the others
// and is thrown.
void for_each_of(std::span<const std::size_t> order, unsigned threads,
                 const std::function<void(std::size_t)>& act);

}  // namespace merganser
