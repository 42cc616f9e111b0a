#include "analyze/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

namespace merganser {
namespace {

// Where the rules draw their lines. None is a law: they are orders of magnitude from what real
// fine-tunes look like, and every sentence has its numbers beside it.
constexpr double kUnrelated = 0.5;      // cosine of weights to the base's; fine-tunes are near 1
constexpr double kFar = 0.9;            // below: an unusually long way from the base
constexpr double kNormRatio = 2;        // norms within it: the same recipe of initialisation
constexpr double kSameNorms = 0.9;      // share of the matrices that must be within it
constexpr double kTwins = 0.9;          // cosine of task vectors: one came from the other
constexpr double kOrthogonal = 0.1;     // |cosine| below: as good as at right angles
constexpr double kNotCarried = 0.1;     // share of the change that no expert or adapter carries
constexpr double kRandomSigns = 0.4;    // of 0.5, which signs at random would give
constexpr double kConflictNoted = 0.2;  // sign conflict of the top that is worth a note
constexpr double kCloseEnough = 0.1;    // relative error that is hardly any

std::string percent(double share) {
  const double value = 100 * share;
  return fmt::format("{:.{}f} %", value, value != 0 && std::abs(value) < 10 ? 1 : 0);
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

using List = std::vector<Advice>;

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

void base_rule(const Analysis& analysis, List& list) {
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
                   changes.size() == 1 ? percent(most) : percent(least) + " to " + percent(most)),
       {{"cosine", nearest}, {"relative_least", least}, {"relative_most", most}}});
}

void twins_rule(const Analysis& analysis, List& list) {
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

std::vector<std::string> largest_layers(const std::vector<LayerGroup>& layers,
                                        const std::function<double(const Aggregate&)>& score) {
  std::vector<std::pair<double, std::size_t>> order;
  for (const LayerGroup& layer : layers) order.emplace_back(score(layer.figures), layer.layer);
  std::ranges::stable_sort(order, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, order.size()); ++i) {
    if (order[i].first > 0) names.push_back(std::to_string(order[i].second));
  }
  return names;
}

void location_rule(const Analysis& analysis, List& list) {
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

void zones_rule(const Analysis& analysis, List& list) {
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

void conflict_rule(const Analysis& analysis, List& list) {
  std::size_t pair = 0;
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    for (std::size_t j = i + 1; j < analysis.inputs.models(); ++j, ++pair) {
      const PairFigures& whole = analysis.total.pairs[pair];
      if (!whole.cosine || !whole.sign_conflict_top) continue;
      const double top = *whole.sign_conflict_top;
      Advice advice{"conflict",
                    top >= kRandomSigns     ? "warning"
                    : top >= kConflictNoted ? "note"
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
          std::abs(*whole.cosine) < kOrthogonal ? ", as good as at right angles" : "");
      if (!layers.empty()) {
        advice.text += fmt::format(" They interfere most in layer{} {}.",
                                   layers.size() > 1 ? "s" : "", listed(layers));
      }
      list.push_back(std::move(advice));
    }
  }
}

void rank_rule(const Analysis& analysis, List& list) {
  for (std::size_t i = 0; i < analysis.inputs.models(); ++i) {
    std::vector<double> ranks, sizes;
    std::size_t beyond = 0;
    for (std::size_t t = 0; t < analysis.inputs.tensors.size(); ++t) {
      const AnalysedTensor& tensor = analysis.inputs.tensors[t];
      const auto& spectrum = analysis.figures[t].changes[i].spectrum;
      if (tensor.part != Part::linear || !spectrum) continue;
      const auto rank = spectrum->rank_90();
      beyond += !rank;
      ranks.push_back(rank ? static_cast<double>(*rank) : HUGE_VAL);
      sizes.push_back(static_cast<double>(std::min(tensor.shape[0], tensor.shape[1])));
    }
    if (ranks.empty()) continue;
    const double middle = *median(ranks), size = *median(sizes);
    if (std::isfinite(middle)) {
      list.push_back({"rank",
                      "info",
                      fmt::format("{}: half of its matrices keep 90 % of their squared change in "
                                  "{:.0f} singular directions or fewer (of {:.0f}).",
                                  analysis.inputs.short_name(i), middle, size),
                      {{"rank_90", middle}, {"full_rank", size}}});
    } else {
      list.push_back(
          {"rank",
           "note",
           fmt::format("{}: in {} of {} matrices {} singular directions hold less than 90 % of the "
                       "squared change: it is not of low rank, and adapters or experts of such "
                       "ranks will lose much of it.",
                       analysis.inputs.short_name(i), beyond, ranks.size(), analysis.settings.rank),
           {{"beyond", static_cast<double>(beyond)},
            {"matrices", static_cast<double>(ranks.size())},
            {"rank", static_cast<double>(analysis.settings.rank)}}});
    }
  }
}

// The worst fine-tune's loss.
std::optional<double> worst_loss(const Analysis& analysis, std::size_t method) {
  std::optional<double> worst;
  for (const auto& loss : analysis.total.losses[method]) {
    if (loss) worst = std::max(worst.value_or(0), *loss);
  }
  return worst;
}

void method_rule(const Analysis& analysis, List& list) {
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
      "fine-tune's change.",
      analysis.methods[*best].label, percent(*worst_loss(analysis, *best)));
  list.push_back(std::move(advice));
  if (beyond.empty()) return;
  list.push_back({"method",
                  "note",
                  fmt::format("{} end{} further from a fine-tune than the base is (loss above "
                              "100 %): smaller weights, or lambda, shorten the merged task vector.",
                              listed(beyond), beyond.size() == 1 ? "s" : ""),
                  {}});
}

void smile_rule(const Analysis& analysis, List& list) {
  const auto worst = [](const SmilePoint& point) {
    double most = 0;
    for (const auto& error : point.errors_linear) most = std::max(most, error.value_or(0));
    return most;
  };
  if (analysis.curve.empty()) return;
  const SmilePoint* point = &analysis.curve.back();
  for (const SmilePoint& each : analysis.curve) {
    if (worst(each) <= kCloseEnough) {
      point = &each;
      break;
    }
  }
  double whole = 0;
  for (const auto& error : point->errors) whole = std::max(whole, error.value_or(0));
  list.push_back(
      {"smile",
       "info",
       fmt::format("SMILE experts of rank {} leave {} of the worst-off fine-tune's change in the "
                   "linear layers, {} of all of it, in a model of {:.2f} times the base's "
                   "parameters (if each token finds its own expert).",
                   point->rank, percent(worst(*point)), percent(whole), point->ratio),
       {{"rank", static_cast<double>(point->rank)},
        {"error_linear", worst(*point)},
        {"error", whole},
        {"ratio", point->ratio}}});
}

void caution_rule(const Analysis& analysis, List& list) {
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

List advise(const Analysis& analysis) {
  List list;
  for (const auto rule : {base_rule, twins_rule, location_rule, zones_rule, conflict_rule,
                          rank_rule, method_rule, smile_rule, caution_rule}) {
    rule(analysis, list);
  }
  std::ranges::stable_partition(list, [](const Advice& one) { return one.level == "warning"; });
  return list;
}

}  // namespace merganser
