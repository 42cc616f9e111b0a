// For the tests of both DARE methods: settings, tensors, and the mask by base/random.h.
#pragma once

#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "methods/testing.h"

namespace merganser::test {

struct DareOptions {
  bool rescale = true, inverse = false;
  double lambda = 1;
  bool normalize = false;
};

inline Settings dare_settings(std::string_view method, const std::vector<double>& w,
                              const std::vector<double>& density, const DareOptions& options) {
  return settings_of(method,
                     {{"rescale", options.rescale},
                      {"rescale_mode", options.inverse ? "inverse" : "l1"},
                      {"lambda", options.lambda},
                      {"normalize", options.normalize}},
                     weights(w, density));
}

template <class T>
Made<T> dare_tensor(std::size_t n, Settings settings, unsigned models = 3) {
  Made<T> made;
  made.base = normal<T>(n, 1);
  for (unsigned m = 0; m < models; ++m) made.models.push_back(tuned(made.base, 10 + m));
  made.settings = std::move(settings);
  return made;
}

// Model m's delta after dropping and rescaling. The stream's name is part of the documented format:
// the tensor's name, a line feed, the model's number in the recipe (here the base is 0).
template <class T>
std::vector<Exact> rescaled(const Made<T>& made, std::size_t m, double density, std::uint64_t seed,
                            const DareOptions& options) {
  const RandomStream stream{seed, hash64(made.name + "\n" + std::to_string(m + 1))};
  const std::uint64_t threshold = keep_threshold(density);
  const auto d = delta(made.models[m], made.base);
  std::vector<Exact> out(d.begin(), d.end());
  Exact whole = 0, rest = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    whole += std::abs(out[i]);
    if (!keeps(stream, i, threshold)) out[i] = 0;
    rest += std::abs(out[i]);
  }
  Exact factor = 1;
  if (options.rescale && options.inverse) factor = 1 / Exact{density};
  if (options.rescale && !options.inverse && rest > 1e-7L && whole > 1e-7L) factor = whole / rest;
  for (Exact& x : out) x *= factor;
  return out;
}

}  // namespace merganser::test
