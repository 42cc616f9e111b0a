// For the tests of ram and ramplus_tl: their inputs, and the formula written by elements.
#pragma once

#include <vector>

#include "methods/testing.h"

namespace merganser::test {

// Models that change most positions each for itself or not at all, some by less than 1e-5.
template <class T>
Made<T> overlapping(std::size_t n, std::size_t models, Settings settings) {
  Made<T> made;
  made.base = normal<T>(n, 1);
  for (unsigned m = 0; m < models; ++m) {
    auto model = tuned(made.base, 10 + m);
    for (std::size_t j = 0; j < n; ++j) {
      if ((j * (m + 3) + m) % 5 < 3) model[j] = made.base[j];
      if ((j + m) % 11 == 0) model[j] = made.base[j] + static_cast<T>(1e-6);
    }
    made.models.push_back(std::move(model));
  }
  made.settings = std::move(settings);
  return made;
}

// boost: of what one model alone changes.
template <class T>
std::vector<Term> merged_overlap(const Made<T>& made, double epsilon,
                                 const std::vector<Exact>& boost) {
  std::vector<Term> terms(made.base.size());
  for (std::size_t j = 0; j < terms.size(); ++j) {
    Exact sum = 0, size = 0;
    std::size_t count = 0, last = 0;
    for (std::size_t i = 0; i < made.models.size(); ++i) {
      const T d = made.models[i][j] - made.base[j];
      if (!(std::abs(d) > static_cast<T>(epsilon))) continue;
      sum += d;
      size += std::abs(d);
      last = i;
      ++count;
    }
    const Exact factor = count == 0 ? 0 : count == 1 ? boost[last] : Exact{1} / count;
    terms[j].add(made.base[j]);
    terms[j].value += factor * sum;
    terms[j].size += factor * size;
  }
  return terms;
}

}  // namespace merganser::test
