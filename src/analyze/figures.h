// What is known of a tensor: sums and counts, from which the figures of tensors and of any group of
// them follow. D_i = W_i - W_0 is the change of fine-tune i.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace merganser {

// Singular values of a change.
struct Spectrum {
  std::vector<double> s;  // the largest, descending; those that are rounding errors are left out
  double squared = 0;     // |D|_F^2: the sum of the squares of all
  bool whole = false;     // `s` has all of them

  double left(std::size_t rank) const;  // squared norm of D without its first `rank` triples
  double residual() const;              // |D - D_k| / |D| with all that are known
  // exp of the entropy of s / sum s (Roy and Vetterli 2007); none unless all are known.
  std::optional<double> effective_rank() const;
  double stable_rank() const;  // |D|_F^2 / s_1^2
  std::optional<std::size_t> rank_90()
      const;  // fewest triples with 90 % of |D|^2, if so many known
};

// |U_a^T D V_a|_F^2 / |D|_F^2 in the base's singular subspaces a (docs/analysis.md).
struct Zones {
  std::size_t k = 0;  // singular vectors in zone I
  double one = 0, two = 0, two_three = 0;
};

// Cosines of the principal angles between leading singular subspaces, descending.
struct Angles {
  std::vector<double> input, output;  // right and left singular vectors of y = W x
};

struct ChangeSums {
  double squared = 0;         // |D|_F^2
  double base_dot = 0;        // <D, W_0>
  double max = 0;             // largest |element|
  std::uint64_t changed = 0;  // elements that are not 0
  std::optional<Spectrum> spectrum;
  std::optional<Zones> zones;
};

// Of two changes; `top`: the elements among the largest of a change, by magnitude, and not 0.
struct PairSums {
  double dot = 0;
  std::uint64_t both = 0, against = 0;          // neither is 0; of these the signs differ
  std::uint64_t both_top = 0, against_top = 0;  // in the top of both
  std::uint64_t either_top = 0;                 // in the top of one at least
  std::optional<Angles> angles;
};

struct TensorFigures {
  double base_squared = 0;
  std::vector<ChangeSums> changes;  // one for each fine-tune
  std::vector<PairSums> pairs;      // of fine-tunes (0, 1), (0, 2) .. (1, 2) ..
  // [method][fine-tune]: |merged - W_0 - D_i|_F^2; none where the method has no such tensor.
  std::vector<std::vector<std::optional<double>>> lost;
};

}  // namespace merganser
