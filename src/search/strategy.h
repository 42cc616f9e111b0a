// In which order a search tries the values of its parameters. It knows nothing of models: a point
// is the text of each parameter's value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "search/axis.h"

namespace merganser::rt {

using Point = std::vector<std::string>;  // a value of each axis

// The more the better; none where the point cannot be measured.
using Measure = std::function<std::optional<double>(const Point&)>;

// Points that were measured, each once, and the best of them.
class Evaluations {
 public:
  // At most `most` are measured; 0: any number.
  Evaluations(Measure measure, std::size_t most) : measure_(std::move(measure)), most_(most) {}

  // True where the point is better than the best so far, strictly: it then is the best.
  bool improves(const Point& point);
  // Measured now or before; minus infinity where it cannot be. None: no measurement is left.
  std::optional<double> at(const Point& point);

  bool exhausted() const { return exhausted_; }
  std::size_t count() const { return known_.size(); }
  const std::optional<Point>& best() const { return best_; }

 private:
  Measure measure_;
  std::size_t most_;
  bool exhausted_ = false;
  std::map<Point, double> known_;
  std::optional<Point> best_;
  double best_value_ = 0;
};

// Every combination, the last axis the fastest; where there are more of them than `most`, that many
// drawn without replacement by the seed (random search: Bergstra and Bengio 2012). Axes with
// values.
void search_grid(const std::vector<Axis>& axes, Evaluations& evaluations, std::size_t most,
                 std::uint64_t seed);

// Combinations of values; none where they are more than 2^53.
std::optional<std::uint64_t> combinations(const std::vector<Axis>& axes);

// One axis after the other, the others held at the best point: all of a list's values, or golden
// section search (Kiefer 1953) on an interval until it is `tolerance` of its width. Rounds over all
// axes until one brings no progress; in each round an interval is half as wide as before and around
// the best value. Golden section finds the maximum where there is one hill; on several it finds one
// of them.
void search_coordinates(const std::vector<Axis>& axes, const Point& start, Evaluations& evaluations,
                        double tolerance);

}  // namespace merganser::rt
