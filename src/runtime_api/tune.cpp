#include "merganser/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "plan/models.h"
#include "recipe/edit.h"
#include "recipe/parse.h"
#include "recipe/scalar.h"
#include "runtime_api/choice.h"
#include "runtime_api/functions.h"
#include "search/strategy.h"

namespace merganser {
namespace {

constexpr std::uint64_t kMaxRecipe = 1 << 20;
constexpr std::size_t kCheckedValues = 100;  // of a parameter, before the work

class Tuning {
 public:
  Tuning(const TuneRequest& request, Progress& progress)
      : request_(request),
        text_(read_text(request.recipe_file, kMaxRecipe)),
        recipe_(parse_recipe(text_, request.recipe_file)),
        editable_(text_, request.recipe_file),
        axes_(read_axes()),
        strategy_(choose_strategy()),
        choice_(request.choice, progress) {}

  TuneReport run() {
    check_values();
    const std::size_t candidates = expected();
    const std::optional<Reference> base = base_model();
    const std::vector<Reference> inputs = input_models(base);
    choice_.expect(candidates + inputs.size() + (base ? 1 : 0));
    TuneReport& report = choice_.report();
    report.strategy = strategy_;
    for (const rt::Axis& axis : axes_) report.parameters.push_back(axis.path.text);
    choice_.refer_to(base, inputs);
    rt::Evaluations evaluations(
        [this](const rt::Point& point) { return choice_.try_merge(point, merge_of(point)); },
        request_.evaluations);
    bool interrupted = false;
    try {
      search(evaluations);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::interrupted || !evaluations.best()) throw;
      interrupted = true;
    }
    if (!evaluations.best()) choice_.require_best();
    mark_accepted();
    const rt::Point best = *evaluations.best();
    if (evaluations.exhausted()) {
      report.notes.push_back(
          fmt::format("the search ended at {} candidates (--evaluations)", evaluations.count()));
    }
    note_ends(best);
    return choice_.finish(parse_recipe(edited(best), request_.recipe_file), interrupted);
  }

 private:
  std::vector<rt::Axis> read_axes() const {
    if (request_.vary.empty()) {
      throw Error(ErrorKind::usage, "nothing is varied")
          .hint("--vary 'parameters.lambda=0.1:1.0:0.1'");
    }
    std::vector<rt::Axis> axes;
    for (const std::string& text : request_.vary) {
      rt::Axis axis = rt::parse_axis(text);
      for (const rt::Axis& other : axes) {
        if (other.path.text == axis.path.text) {
          throw Error(ErrorKind::usage, fmt::format("'{}' is varied twice", axis.path.text));
        }
      }
      editable_.values(axis.path);  // throws for a path that leads nowhere
      axes.push_back(std::move(axis));
    }
    return axes;
  }

  std::string choose_strategy() const {
    const auto interval = [](const rt::Axis& axis) { return axis.interval.has_value(); };
    const auto intervals = std::count_if(axes_.begin(), axes_.end(), interval);
    const std::string& asked = request_.strategy;
    if (asked.empty()) return intervals > 0 ? "coordinate" : "grid";
    if (asked == "grid" && intervals > 0) {
      throw Error(ErrorKind::usage, "a grid has no intervals")
          .hint("give values, or --strategy golden");
    }
    if (asked == "golden" && static_cast<std::size_t>(intervals) < axes_.size()) {
      throw Error(ErrorKind::usage, "golden section search takes intervals: PATH=[0.2, 1.5]")
          .hint("--strategy coordinate takes both");
    }
    if (asked != "grid" && asked != "coordinate" && asked != "golden") {
      throw Error(ErrorKind::usage, fmt::format("unknown strategy '{}'", asked))
          .hint("grid, coordinate or golden");
    }
    if (!(request_.tolerance > 0 && request_.tolerance < 1)) {
      throw Error(ErrorKind::usage, "--tolerance is above 0 and below 1");
    }
    return asked;
  }

  std::string edited(const rt::Point& point) const {
    EditableRecipe recipe = editable_;
    for (std::size_t a = 0; a < axes_.size(); ++a) recipe.set(axes_[a].path, point[a]);
    return recipe.text();
  }

  Request merge_of(const rt::Point& point) const {
    Request merge;
    merge.recipe_text = edited(point);
    merge.recipe_place = request_.recipe_file;
    return merge;
  }

  // Values that the recipe has where it has one, else those in the middle.
  rt::Point start() const {
    rt::Point point;
    for (const rt::Axis& axis : axes_) {
      const std::vector<std::string> now = editable_.values(axis.path);
      const bool one = std::all_of(now.begin(), now.end(),
                                   [&](const std::string& each) { return each == now.front(); });
      if (one && !now.front().empty()) {
        const auto number = to_number(now.front());
        point.push_back(number ? rt::number_text(*number) : now.front());
      } else if (axis.interval) {
        point.push_back(rt::number_text(((*axis.interval)[0] + (*axis.interval)[1]) / 2));
      } else {
        point.push_back(axis.values[axis.values.size() / 2]);
      }
    }
    return point;
  }

  // Each value once, the others as at the start: whether the method takes it.
  void check_values() const {
    const rt::Point from = start();
    for (std::size_t a = 0; a < axes_.size(); ++a) {
      std::vector<std::string> values = axes_[a].values;
      if (axes_[a].interval) {
        for (const double end : *axes_[a].interval) values.push_back(rt::number_text(end));
      }
      if (values.size() > kCheckedValues) values = {values.front(), values.back()};
      for (const std::string& value : values) {
        rt::Point point = from;
        point[a] = value;
        check(point, axes_[a].path.text, value);
      }
    }
  }

  void check(const rt::Point& point, const std::string& path, const std::string& value) const {
    try {
      prepare(merge_of(point));
    } catch (const Error& error) {
      // Lines of the changed text mean nothing to who wrote the recipe.
      throw Error(error.kind(), fmt::format("with {} = {}: {}", path, value, error.message()))
          .in_file(error.file())
          .in_tensor(error.tensor())
          .hint(error.advice());
    }
  }

  std::size_t expected() const {
    std::uint64_t count = 0;
    if (strategy_ == "grid") {
      const auto all = rt::combinations(axes_);
      if (request_.evaluations == 0 && (!all || *all > 100'000)) {
        throw Error(ErrorKind::usage, "the grid has more than 100000 combinations")
            .hint("--evaluations N tries N of them, or --strategy coordinate");
      }
      count = all.value_or(request_.evaluations);
    } else {
      for (const rt::Axis& axis : axes_) {
        const double steps = 2 - std::log(request_.tolerance) / 0.4812;  // ln of the golden ratio
        count += axis.interval ? static_cast<std::uint64_t>(steps) : axis.values.size();
      }
      if (axes_.size() > 1) count *= 2;  // rounds
    }
    if (request_.evaluations > 0) count = std::min(count, request_.evaluations);
    return count;
  }

  std::optional<Reference> base_model() const {
    if (!request_.base.empty()) return Reference{model_ref(request_.base), ""};
    if (recipe_.base_model && recipe_.document(*recipe_.base_model) == nullptr) {
      return Reference{*recipe_.base_model, request_.recipe_file};
    }
    for (const auto& document : recipe_.documents) {
      if (document->base_model && recipe_.document(*document->base_model) == nullptr) {
        return Reference{*document->base_model, request_.recipe_file};
      }
    }
    return std::nullopt;
  }

  std::vector<Reference> input_models(const std::optional<Reference>& base) const {
    std::vector<Reference> found;
    if (!request_.inputs.empty()) {
      for (const std::string& name : request_.inputs) found.push_back({model_ref(name), ""});
      return found;
    }
    const auto add = [&](const Recipe& recipe) {
      for (const ModelRef& ref : recipe.referenced_models()) {
        const auto same = [&](const Reference& known) { return known.ref.same_as(ref); };
        if (recipe_.document(ref) != nullptr || (base && base->ref.same_as(ref))) continue;
        if (std::none_of(found.begin(), found.end(), same)) {
          found.push_back({ref, request_.recipe_file});
        }
      }
    };
    for (const auto& document : recipe_.documents) add(*document);
    add(recipe_);
    return found;
  }

  void search(rt::Evaluations& evaluations) const {
    if (strategy_ == "grid") {
      rt::search_grid(axes_, evaluations, request_.evaluations, request_.seed);
    } else {
      rt::search_coordinates(axes_, start(), evaluations, request_.tolerance);
    }
  }

  // In the order in which they were tried: what was better than all before it.
  void mark_accepted() {
    std::vector<std::vector<std::string>> accepted;
    std::optional<double> best;
    for (const TuneReport::Candidate& each : choice_.report().candidates) {
      if (!each.objective || (best && *each.objective <= *best)) continue;
      best = each.objective;
      accepted.push_back(each.values);
    }
    for (const auto& values : accepted) choice_.accept(values);
  }

  // A best value at the end of what was tried may be better beyond it.
  void note_ends(const rt::Point& best) {
    for (std::size_t a = 0; a < axes_.size(); ++a) {
      const auto& values = axes_[a].values;
      bool end = values.size() > 2 && to_number(values.front()) && to_number(values.back()) &&
                 (best[a] == values.front() || best[a] == values.back());
      if (const auto number = to_number(best[a]); number && axes_[a].interval) {
        const auto [low, high] = *axes_[a].interval;
        const double near = 2 * request_.tolerance * (high - low);
        end = *number - low < near || high - *number < near;
      }
      if (!end) continue;
      choice_.report().notes.push_back(
          fmt::format("the best {} is at the end of what was tried", axes_[a].path.text));
    }
  }

  const TuneRequest& request_;
  std::string text_;
  Recipe recipe_;
  EditableRecipe editable_;
  std::vector<rt::Axis> axes_;
  std::string strategy_;
  Choice choice_;
};

}  // namespace

TuneReport runtime_tune(const TuneRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  TuneReport report = Tuning(request, progress).run();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
