// The driver of truncated_svd.h over Krylov spaces: grows them until the bound is good.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "linalg/truncated_svd.h"

namespace merganser {

// Relative gap between singular values beyond which leading vectors are resolved, and how exactly:
// the sine of the angle between the spaces.
constexpr double kLeadingGap = 1e-2, kLeadingAngle = 5e-5;

bool krylov_pays(std::size_t rows, std::size_t cols, std::size_t rank, std::size_t width);

// None if the wanted excess was not reached in spaces that are cheaper than the exact way. One
// triple more than wanted, where it was found.
template <class T>
std::optional<TruncatedSvd<T>> krylov_svd(MatrixView<const T> a, const TruncatedOptions& options,
                                          double energy);

std::uint64_t krylov_workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t rank,
                               std::uint64_t width);

}  // namespace merganser
