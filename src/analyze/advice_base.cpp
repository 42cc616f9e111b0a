#include "analyze/advice_base.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analyze/advice_words.h"

namespace merganser {
namespace {

// Where the lines are drawn: see advice.cpp.
constexpr double kUnrelated = 0.5;  // cosine of weights to the base's; fine-tunes are near 1
constexpr double kFar = 0.9;        // below: an unusually long way from the base
constexpr double kNormRatio = 2;    // norms within it: the same recipe of initialisation
constexpr double kSameNorms = 0.9;  // share of the matrices that must be within it
constexpr double kTwins = 0.9;      // cosine of task vectors: one came from the other

// How near a model's weights are to the base's, over the matrices where there are any: norms are
// near 1 in every model and would make strangers look alike.
struct Nearness {
  double cosine = 1;
  double same_norms = 1;  // share of the tensors whose norm is within kNormRatio of the base's
  bool changed = false;
};

Nearness nearness(const Analysis& analysis, std::size_t model) {
  const auto& tensors = analysis.inputs.tensors;
  const bool matrices = std::ranges::any_of(
      tensors, [](const AnalysedTensor& tensor) { return tensor.part == Part::linear; });
  double dot = 0, base = 0, own = 0;
  std::size_t same = 0, count = 0;
  Nearness found;
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const ChangeSums& change = analysis.figures[t].changes[model];
    found.changed = found.changed || change.squared > 0;
    if (matrices && tensors[t].part != Part::linear) continue;
    const double squared = analysis.figures[t].base_squared;
    const double weights = std::max(0.0, squared + 2 * change.base_dot + change.squared);
    dot += squared + change.base_dot;
    base += squared;
    own += weights;
    ++count;
    const double ratio = std::sqrt(weights / squared);
    same += ratio < kNormRatio && ratio > 1 / kNormRatio;
  }
  if (base > 0 && own > 0) found.cosine = dot / std::sqrt(base) / std::sqrt(own);
  if (count > 0) found.same_norms = static_cast<double>(same) / static_cast<double>(count);
  return found;
}

void base_rule(const Analysis& analysis, AdviceList& list) {
  std::vector<double> cosines, changes;
  bool all_near = true;
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    const std::string name = analysis.inputs.short_name(i);
    const Nearness near = nearness(analysis, i);
    const double relative = analysis.total.changes[i].relative.value_or(0);
    const bool whole = near.changed && near.cosine >= kFar;
    all_near = all_near && whole;
    cosines.push_back(near.cosine);
    changes.push_back(relative);
    if (whole) continue;
    Advice advice{"base", "warning", "", {{"cosine", near.cosine}, {"relative", relative}}};
    if (!near.changed) {
      advice.text = fmt::format(
          "{} equals the base in every tensor: it has nothing to add to a merge, and only thins "
          "out the others where methods average.",
          name);
    } else if (near.cosine < kUnrelated) {
      const bool alike = near.same_norms >= kSameNorms;
      advice.numbers.emplace_back("same_norms", near.same_norms);
      advice.text = fmt::format(
          "{} does not look like a fine-tune of this base: the cosine of its matrices to the "
          "base's is {:.2f}, and its change is {:.2f} times as long as the base. {}",
          name, near.cosine, relative,
          alike ? "The norms agree, so it may be the same architecture trained from another "
                  "initialisation; merging weights of such models rarely gives anything."
                : "The norms differ, too: it seems to be an unrelated model. Merging its weights "
                  "is of no use.");
    } else {
      advice.level = "note";
      advice.text = fmt::format(
          "{} is far from the base for a fine-tune: cosine {:.2f}, change {:.2f} times as long as "
          "the base. Task vectors as long as this interfere more; check that it is the right base.",
          name, near.cosine, relative);
    }
    list.push_back(std::move(advice));
  }
  if (!all_near) return;
  const auto [least, most] = std::ranges::minmax(changes);
  const double nearest = std::ranges::min(cosines);
  list.push_back(
      {"base",
       "info",
       fmt::format("{} of this base by the weights: the cosine to the base is at least {:.3f}, and "
                   "the changes are {} as long as the base.",
                   changes.size() == 1 ? "The model is a fine-tune" : "All models are fine-tunes",
                   nearest,
                   percent(least) == percent(most) ? percent(most)
                                                   : percent(least) + " to " + percent(most)),
       {{"cosine", nearest}, {"relative_least", least}, {"relative_most", most}}});
}

void twins_rule(const Analysis& analysis, AdviceList& list) {
  std::size_t pair = 0;
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    for (std::size_t j = i + 1; j < analysis.inputs.models(); ++j) {
      const auto cosine = analysis.total.pairs[pair++].cosine;
      if (!cosine || *cosine < kTwins) continue;
      list.push_back(
          {"base",
           "note",
           fmt::format("The changes of {} and {} are nearly one (cosine {:.3f}): one was "
                       "probably made from the other, or both from a model that is "
                       "nearer to them than this base. Take that one as the base.",
                       analysis.inputs.short_name(i), analysis.inputs.short_name(j), *cosine),
           {{"cosine", *cosine}}});
    }
  }
}

}  // namespace

void base_advice(const Analysis& analysis, AdviceList& list) {
  base_rule(analysis, list);
  twins_rule(analysis, list);
}

}  // namespace merganser
