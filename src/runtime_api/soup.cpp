// Model soups (Wortsman et al. 2022, arXiv 2203.05482): averages of fine-tunes of one model.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/error.h"
#include "merganser/tune.h"
#include "plan/models.h"
#include "recipe/format.h"
#include "runtime_api/choice.h"
#include "runtime_api/functions.h"

namespace merganser {
namespace {

using Members = std::vector<std::size_t>;  // of the request's models

class Soup {
 public:
  Soup(const SoupRequest& request, Progress& progress)
      : request_(request), choice_(request.choice, progress) {
    for (const std::string& name : request.models) {
      const ModelRef ref = model_ref(name);
      for (const Reference& known : inputs_) {
        if (known.ref.same_as(ref)) {
          throw Error(ErrorKind::usage, fmt::format("the model '{}' is there twice", name));
        }
      }
      inputs_.push_back({ref, ""});
    }
    if (inputs_.size() < 2) throw Error(ErrorKind::usage, "a soup has two models or more");
  }

  TuneReport run() {
    prepare(merge_of(recipe_of(all())));  // that they fit, before the work
    std::optional<Reference> base;
    if (!request_.base.empty()) base = Reference{model_ref(request_.base), ""};
    choice_.expect(2 * inputs_.size() + (base ? 1 : 0));
    TuneReport& report = choice_.report();
    report.strategy = request_.greedy ? "greedy" : "uniform";
    report.parameters = request_.models;
    choice_.refer_to(base, inputs_);
    std::vector<double> alone;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      alone.push_back(choice_.take_input({std::to_string(i)}, i));
    }
    bool interrupted = false;
    Members soup;
    try {
      soup = request_.greedy ? greedy(alone) : uniform(alone);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::interrupted || soup_.empty()) throw;
      interrupted = true;
      soup = soup_;
    }
    return choice_.finish(recipe_of(soup), interrupted);
  }

 private:
  Members all() const {
    Members members(inputs_.size());
    std::iota(members.begin(), members.end(), 0);
    return members;
  }

  static std::vector<std::string> names(const Members& members) {
    std::vector<std::string> text;
    for (const std::size_t i : members) text.push_back(std::to_string(i));
    return text;
  }

  Recipe recipe_of(const Members& members) const {
    Recipe recipe;
    recipe.method = "linear";
    RecipeModule& module = recipe.modules.emplace_back();
    for (const std::size_t i : members) {
      RecipeSource& source = module.models.emplace_back();
      source.model = inputs_[i].ref;
      source.parameters["weight"] = Setting::constant(1.0);
    }
    return recipe;
  }

  static Request merge_of(const Recipe& recipe) {
    Request merge;
    merge.recipe_text = to_yaml(recipe);
    return merge;
  }

  Members uniform(const std::vector<double>& alone) {
    const Members members = all();
    const auto value = choice_.try_merge(names(members), merge_of(recipe_of(members)));
    if (!value) choice_.require_best();
    choice_.accept(names(members));
    if (*std::max_element(alone.begin(), alone.end()) > *value) {
      choice_.report().notes.emplace_back("the best model alone is better than the uniform soup");
    }
    return members;
  }

  // Best first; a model stays in where the soup with it is better, strictly.
  Members greedy(const std::vector<double>& alone) {
    Members order = all();
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return alone[a] > alone[b]; });
    soup_ = {order.front()};
    double best = alone[order.front()];
    choice_.accept(names(soup_));
    for (std::size_t next = 1; next < order.size(); ++next) {
      Members larger = soup_;
      larger.push_back(order[next]);
      const auto value = choice_.try_merge(names(larger), merge_of(recipe_of(larger)));
      if (!value || *value <= best) continue;
      best = *value;
      soup_ = larger;
      choice_.accept(names(soup_));
    }
    if (soup_.size() == 1) {
      choice_.report().notes.emplace_back("no other model makes the best one better");
    }
    return soup_;
  }

  const SoupRequest& request_;
  Choice choice_;
  std::vector<Reference> inputs_;
  Members soup_;  // the best so far
};

}  // namespace

TuneReport runtime_soup(const SoupRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  TuneReport report = Soup(request, progress).run();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
