#include "analyze/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "analyze/advice_base.h"
#include "analyze/advice_words.h"
#include "analyze/median_rank.h"

namespace merganser {
namespace {

// Where the rules draw their lines (those on the base: advice_base.cpp). None is a law: they are
// orders of magnitude from what real fine-tunes look like, and every sentence has its numbers
// beside it.
constexpr double kOrthogonal = 0.1;     // |cosine| below: as good as at right angles
constexpr double kNotCarried = 0.1;     // share of the change that no expert or adapter carries
constexpr double kRandomSigns = 0.4;    // of 0.5, which signs at random would give
constexpr double kConflictNoted = 0.2;  // sign conflict of the top that is worth a note
constexpr double kSameWay = 0.5;        // cosine of changes that mostly agree
constexpr double kCloseEnough = 0.1;    // relative error that is hardly any

std::vector<std::string> largest_layers(const std::vector<LayerGroup>& layers,
                                        const std::function<double(const Aggregate&)>& score) {
  std::vector<std::pair<double, std::string>> order;
  for (const LayerGroup& layer : layers) order.emplace_back(score(layer.figures), layer.name());
  std::ranges::stable_sort(order, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, order.size()); ++i) {
    if (order[i].first > 0) names.push_back(order[i].second);
  }
  return names;
}

void location_rule(const Analysis& analysis, AdviceList& list) {
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    if (analysis.total.changes[i].norm == 0) continue;
    double carried = 0;
    for (std::size_t t = 0; t < analysis.inputs.tensors.size(); ++t) {
      const AnalysedTensor& tensor = analysis.inputs.tensors[t];
      if (tensor.upscaled || tensor.expert_bias) {
        carried += analysis.figures[t].changes[i].squared;
      }
    }
    const double squared = std::pow(analysis.total.changes[i].norm, 2);
    const double rest = std::clamp(1 - carried / squared, 0.0, 1.0);
    Advice advice{"location", rest > kNotCarried ? "note" : "info", "", {{"not_carried", rest}}};
    std::vector<std::string> parts;
    for (const NamedGroup& part : analysis.parts) {
      const double share = part.figures.changes[i].share.value_or(0);
      advice.numbers.emplace_back(part.name, share);
      if (share > 0.005) parts.push_back(fmt::format("{} {}", percent(share), part.name));
    }
    const auto layers = largest_layers(analysis.layers, [&](const Aggregate& layer) {
      return layer.changes[i].relative.value_or(0);
    });
    advice.text =
        fmt::format("{}: of its squared change {}", analysis.inputs.short_name(i), listed(parts));
    if (!layers.empty()) {
      advice.text += fmt::format("; relative to the base, layer{} {} changed most",
                                 layers.size() > 1 ? "s" : "", listed(layers));
    }
    advice.text += rest > kNotCarried
                       ? fmt::format(
                             ". {} lies outside the linear layers, where neither SMILE's "
                             "experts nor ordinary LoRA adapters carry it.",
                             percent(rest))
                       : ".";
    list.push_back(std::move(advice));
  }
}

void zones_rule(const Analysis& analysis, AdviceList& list) {
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    const auto& zones = analysis.total.changes[i].zones;
    if (!zones) continue;
    list.push_back(
        {"location",
         "info",
         fmt::format("{}: {} of the squared change of its matrices lies in the base's leading "
                     "subspace (zone I), {} in what the base hardly uses (zones II and III). {}",
                     analysis.inputs.short_name(i), percent(zones->one), percent(zones->two_three),
                     zones->two_three > zones->one
                         ? "It mostly adds new directions."
                         : "It mostly bends directions that the base relies on."),
         {{"I", zones->one}, {"II", zones->two}, {"II_III", zones->two_three}}});
  }
}

void conflict_rule(const Analysis& analysis, AdviceList& list) {
  std::size_t pair = 0;
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    for (std::size_t j = i + 1; j < analysis.inputs.models(); ++j, ++pair) {
      const PairFigures& whole = analysis.total.pairs[pair];
      if (!whole.cosine || !whole.sign_conflict_top) continue;
      const double top = *whole.sign_conflict_top;
      const bool independent = std::abs(*whole.cosine) < kOrthogonal;
      Advice advice{"conflict",
                    // Independent changes disagree in half of what they share: it is no conflict.
                    top >= kRandomSigns && !independent ? "warning"
                    : top >= kConflictNoted             ? "note"
                                                        : "info",
                    "",
                    {{"cosine", *whole.cosine}, {"sign_conflict_top", top}}};
      if (whole.overlap_top) advice.numbers.emplace_back("overlap_top", *whole.overlap_top);
      const auto layers = largest_layers(analysis.layers, [&](const Aggregate& layer) {
        return layer.pairs[pair].sign_conflict_top.value_or(0);
      });
      advice.text = fmt::format(
          "{} and {}: {} of the elements that are large in both pull in opposite directions "
          "(half would be chance); the cosine of their changes is {:.2f}{}.",
          analysis.inputs.short_name(i), analysis.inputs.short_name(j), percent(top), *whole.cosine,
          independent ? ", as good as at right angles" : "");
      if (!layers.empty()) {
        advice.text += fmt::format(" They interfere most in layer{} {}.",
                                   layers.size() > 1 ? "s" : "", listed(layers));
      }
      list.push_back(std::move(advice));
    }
  }
}

void rank_rule(const Analysis& analysis, AdviceList& list) {
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    const MedianRank median = median_rank_90(analysis, i);
    if (median.rank) {
      list.push_back({"rank",
                      "info",
                      fmt::format("{}: half of its matrices keep 90 % of their squared change in "
                                  "{} singular directions or fewer (of {}).",
                                  analysis.inputs.short_name(i), *median.rank, median.full_rank),
                      {{"rank_90", static_cast<double>(*median.rank)},
                       {"full_rank", static_cast<double>(median.full_rank)}}});
    } else if (median.more()) {
      list.push_back(
          {"rank",
           "note",
           fmt::format("{}: in {} of {} matrices {} singular directions hold less than 90 % of the "
                       "squared change: it is not of low rank, and adapters or experts of such "
                       "ranks will lose much of it.",
                       analysis.inputs.short_name(i), median.beyond, median.matrices,
                       analysis.settings.rank),
           {{"beyond", static_cast<double>(median.beyond)},
            {"matrices", static_cast<double>(median.matrices)},
            {"rank", static_cast<double>(analysis.settings.rank)}}});
    }
  }
}

// The worst fine-tune's loss; none where that of one that changed anything is not known.
std::optional<double> worst_loss(const Analysis& analysis, std::size_t method) {
  std::optional<double> worst;
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    const auto& loss = analysis.total.losses[method][i];
    if (!loss && analysis.total.changes[i].norm > 0) return std::nullopt;
    if (loss) worst = std::max(worst.value_or(0), *loss);
  }
  return worst;
}

// Which kind of method suits, by how the changes meet.
void kind_rule(const Analysis& analysis, AdviceList& list) {
  std::optional<double> conflict, lowest, highest;
  for (const PairFigures& pair : analysis.total.pairs) {
    if (!pair.cosine) continue;
    // Tops without a common element have nothing to disagree in.
    conflict = std::max(conflict.value_or(0), pair.sign_conflict_top.value_or(0));
    lowest = std::min(lowest.value_or(1), *pair.cosine);
    highest = std::max(highest.value_or(-1), std::abs(*pair.cosine));
  }
  if (!conflict) return;
  Advice advice{"method", "info", "", {{"sign_conflict_top", *conflict}, {"cosine", *lowest}}};
  if (*highest < kOrthogonal) {
    advice.text = fmt::format(
        "The changes are as good as at right angles (cosines up to {:.2f}), as independent ones "
        "are: "
        "their sum (task_arithmetic, weights up to 1) keeps all of each one's own direction, where "
        "an average shortens each. Whether the others' parts disturb it, only a measurement tells.",
        *highest);
  } else if (*conflict >= kConflictNoted) {
    advice.text = fmt::format(
        "Signs of large elements disagree in up to {}: methods that elect a sign (ties, dare_ties) "
        "or keep the models apart (smile, emr) are worth trying beside sums and averages, in which "
        "such elements cancel.",
        percent(*conflict));
  } else if (*lowest > kSameWay) {
    advice.text = fmt::format(
        "The changes mostly agree (cosines from {:.2f}): an average keeps what they share, and "
        "methods against interference have little to do.",
        *lowest);
  } else {
    advice.text = fmt::format(
        "The changes overlap without much conflict (cosines from {:.2f}, {} of large elements "
        "disagree): averages and task_arithmetic with moderate weights are a good start.",
        *lowest, percent(*conflict));
  }
  list.push_back(std::move(advice));
}

void method_rule(const Analysis& analysis, AdviceList& list) {
  if (analysis.inputs.models() < 2) return;
  std::optional<std::size_t> best;
  std::vector<std::string> beyond;
  Advice advice{"method", "info", "", {}};
  for (std::size_t m = 0; m < analysis.methods.size(); ++m) {
    const auto worst = worst_loss(analysis, m);
    if (!worst) continue;
    const AnalysedMethod& method = analysis.methods[m];
    advice.numbers.emplace_back(method.label, *worst);
    if (*worst > 1) beyond.push_back(method.label);
    // A mixture keeps several models and is no single one: it has a rule of its own.
    if (method.name == "smile") continue;
    if (!best || *worst < *worst_loss(analysis, *best)) best = m;
  }
  if (!best) return;
  advice.text = fmt::format(
      "Of the merges into one model, {} stays nearest to all: it loses {} of the worst-off "
      "fine-tune's change. (An average has the least sum of squared distances by its nature; that "
      "alone does not make it the best merge.)",
      analysis.methods[*best].label, percent(*worst_loss(analysis, *best)));
  list.push_back(std::move(advice));
  if (beyond.empty()) return;
  const bool independent = std::ranges::all_of(analysis.total.pairs, [](const PairFigures& pair) {
    return pair.cosine && std::abs(*pair.cosine) < kOrthogonal;
  });
  list.push_back(
      {"method",
       "note",
       fmt::format(
           "{} end{} further from a fine-tune than the base is (loss above 100 %){}",
           listed(beyond), beyond.size() == 1 ? "s" : "",
           independent
               ? ". Between changes at right angles that is mostly the length of the others' "
                 "changes, which need not disturb the task."
               : ": smaller weights, or lambda, shorten the merged task vector."),
       {}});
}

// The worst fine-tune's error in the linear layers, and over all it changed.
struct SmileError {
  double linear = 0, whole = 0;
};

// None where that of a fine-tune that changed linear layers is not known, or none changed any.
std::optional<SmileError> worst_error(const Analysis& analysis, const SmilePoint& point) {
  SmileError worst;
  bool any = false;
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    double linear = 0;
    for (std::size_t t = 0; t < analysis.inputs.tensors.size(); ++t) {
      if (analysis.inputs.tensors[t].part == Part::linear) {
        linear += analysis.figures[t].changes[i].squared;
      }
    }
    if (linear > 0 && !(point.errors[i] && point.errors_linear[i])) return std::nullopt;
    any = any || linear > 0;
    worst.linear = std::max(worst.linear, point.errors_linear[i].value_or(0));
    worst.whole = std::max(worst.whole, point.errors[i].value_or(0));
  }
  return any ? std::optional(worst) : std::nullopt;
}

void smile_rule(const Analysis& analysis, AdviceList& list) {
  const SmilePoint* point = nullptr;
  SmileError error;
  for (const SmilePoint& each : analysis.curve) {
    const auto known = worst_error(analysis, each);
    if (!known) continue;
    point = &each;
    error = *known;
    if (error.linear <= kCloseEnough) break;
  }
  if (point == nullptr) return;
  list.push_back(
      {"smile",
       "info",
       fmt::format("SMILE experts of rank {} leave {} of the worst-off fine-tune's change in the "
                   "linear layers, {} of all of it, in a model of {:.2f} times the base's "
                   "parameters (if each token finds its own expert).",
                   point->rank, percent(error.linear), percent(error.whole), point->ratio),
       {{"rank", static_cast<double>(point->rank)},
        {"error_linear", error.linear},
        {"error", error.whole},
        {"ratio", point->ratio}}});
}

void caution_rule(const Analysis& analysis, AdviceList& list) {
  list.push_back({"caution",
                  "info",
                  "Distance in weights is not skill: changes that matter little to a task count as "
                  "much as those it hangs on. Measure a merge before you trust it.",
                  {}});
  const bool drops = std::ranges::any_of(analysis.methods, [](const AnalysedMethod& method) {
    return method.name.starts_with("dare") || method.name.starts_with("della");
  });
  if (!drops) return;
  list.push_back({"caution",
                  "info",
                  "Methods that drop elements at random and rescale the rest (DARE, DELLA) look "
                  "worse here than they are: their errors are noise that largely averages out in "
                  "a layer's outputs.",
                  {}});
}

}  // namespace

AdviceList advise(const Analysis& analysis) {
  AdviceList list;
  for (const auto rule : {base_advice, location_rule, zones_rule, conflict_rule, rank_rule,
                          kind_rule, method_rule, smile_rule, caution_rule}) {
    rule(analysis, list);
  }
  std::ranges::stable_partition(list, [](const Advice& one) { return one.level == "warning"; });
  return list;
}

}  // namespace merganser
