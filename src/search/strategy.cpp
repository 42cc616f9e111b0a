#include "search/strategy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "base/random.h"
#include "recipe/scalar.h"

namespace merganser::rt {
namespace {

constexpr double kGolden = 0.6180339887498949;  // (sqrt(5) - 1) / 2
constexpr double kNone = -std::numeric_limits<double>::infinity();

Point point_at(const std::vector<Axis>& axes, std::uint64_t index) {
  Point point(axes.size());
  for (std::size_t a = axes.size(); a-- > 0;) {
    const std::uint64_t values = axes[a].values.size();
    point[a] = axes[a].values[index % values];
    index /= values;
  }
  return point;
}

// In [0, below), without bias that could matter: 64 random bits.
std::uint64_t draw(std::uint64_t seed, std::uint32_t counter, std::uint64_t below) {
  const auto words = philox({counter, 0, 0, 0}, {static_cast<std::uint32_t>(seed),
                                                 static_cast<std::uint32_t>(seed >> 32)});
  const std::uint64_t bits = std::uint64_t{words[0]} << 32 | words[1];
  return bits % below;
}

class Coordinates {
 public:
  Coordinates(const std::vector<Axis>& axes, Evaluations& evaluations, double tolerance)
      : axes_(axes), evaluations_(evaluations), tolerance_(tolerance) {
    for (const Axis& axis : axes) {
      intervals_.push_back(axis.interval.value_or(std::array<double, 2>{}));
    }
  }

  void run(const Point& start) {
    evaluations_.improves(start);
    bool progress = true;
    for (int round = 0; progress && !evaluations_.exhausted(); ++round) {
      progress = false;
      for (std::size_t a = 0; a < axes_.size(); ++a) {
        if (evaluations_.exhausted()) return;
        // Nothing that can be measured yet: from the start, which then is as good as any.
        const Point from = evaluations_.best().value_or(start);
        if (round > 0 && axes_[a].interval) narrow(a, from[a]);
        progress |= axes_[a].interval ? golden(a, from) : scan(a, from);
      }
      if (axes_.size() == 1) return;  // another round would be the same
    }
  }

 private:
  bool scan(std::size_t a, Point point) {
    bool found = false;
    for (const std::string& value : axes_[a].values) {
      point[a] = value;
      found |= evaluations_.improves(point);
    }
    return found;
  }

  void narrow(std::size_t a, const std::string& centre) {
    auto& [low, high] = intervals_[a];
    const double quarter = (high - low) / 4, middle = to_number(centre).value_or((low + high) / 2);
    const auto& [first, last] = *axes_[a].interval;
    low = std::clamp(middle - quarter, first, last);
    high = std::clamp(middle + quarter, first, last);
  }

  bool golden(std::size_t a, Point point) {
    const auto& [first, last] = *axes_[a].interval;
    const double end = tolerance_ * (last - first);
    auto [low, high] = intervals_[a];
    bool found = false;
    const auto at = [&](double x) {
      point[a] = number_text(x);
      found |= evaluations_.improves(point);
      return evaluations_.at(point).value_or(kNone);
    };
    double x1 = high - kGolden * (high - low), x2 = low + kGolden * (high - low);
    double y1 = at(x1), y2 = at(x2);
    while (high - low > end && !evaluations_.exhausted()) {
      if (y1 >= y2) {
        high = x2;
        x2 = x1;
        y2 = y1;
        x1 = high - kGolden * (high - low);
        y1 = at(x1);
      } else {
        low = x1;
        x1 = x2;
        y1 = y2;
        x2 = low + kGolden * (high - low);
        y2 = at(x2);
      }
    }
    return found;
  }

  const std::vector<Axis>& axes_;
  Evaluations& evaluations_;
  double tolerance_;
  std::vector<std::array<double, 2>> intervals_;
};

}  // namespace

std::optional<double> Evaluations::at(const Point& point) {
  if (const auto found = known_.find(point); found != known_.end()) return found->second;
  if (most_ > 0 && known_.size() >= most_) {
    exhausted_ = true;
    return std::nullopt;
  }
  const std::optional<double> value = measure_(point);
  return known_[point] = value && !std::isnan(*value) ? *value : kNone;
}

bool Evaluations::improves(const Point& point) {
  const std::optional<double> value = at(point);
  if (!value || *value == kNone || (best_ && *value <= best_value_)) return false;
  best_ = point;
  best_value_ = *value;
  return true;
}

std::optional<std::uint64_t> combinations(const std::vector<Axis>& axes) {
  double product = 1;
  for (const Axis& axis : axes) product *= static_cast<double>(axis.values.size());
  if (product > 9007199254740992.0) return std::nullopt;
  return static_cast<std::uint64_t>(product);
}

void search_grid(const std::vector<Axis>& axes, Evaluations& evaluations, std::size_t most,
                 std::uint64_t seed) {
  const std::uint64_t all = combinations(axes).value_or(std::uint64_t{1} << 53);
  if (most == 0 || all <= most) {
    for (std::uint64_t i = 0; i < all; ++i) evaluations.improves(point_at(axes, i));
    return;
  }
  // Floyd's sampling: each set of `most` is as likely as any other.
  std::set<std::uint64_t> chosen;
  for (std::uint64_t j = all - most; j < all; ++j) {
    const std::uint64_t one = draw(seed, static_cast<std::uint32_t>(j - (all - most)), j + 1);
    if (!chosen.insert(one).second) chosen.insert(j);
  }
  for (const std::uint64_t i : chosen) evaluations.improves(point_at(axes, i));
}

void search_coordinates(const std::vector<Axis>& axes, const Point& start, Evaluations& evaluations,
                        double tolerance) {
  Coordinates(axes, evaluations, tolerance).run(start);
}

}  // namespace merganser::rt
