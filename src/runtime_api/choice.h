// Candidates measured on validation data, and what the choice among them is worth on test data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "merganser/tune.h"
#include "recipe/recipe.h"
#include "runtime_api/measured.h"
#include "search/candidate.h"

namespace merganser {

// A model that gains are measured by.
struct Reference {
  ModelRef ref;
  std::string recipe_file;  // its paths are found beside it
};

class Choice {
 public:
  // Throws Error for tasks that cannot be read, and an output that is there already.
  Choice(const ChoiceOptions& options, Progress& progress);

  // How many models will be run, for the progress; a guess will do.
  void expect(std::size_t models);
  // Measures them on the validation split and settles the objective. Throws Error(mismatch) where
  // gains are asked for and no input is better than the base.
  void refer_to(const std::optional<Reference>& base, const std::vector<Reference>& inputs);

  // Merged in memory and measured. What fails because of the candidate itself is noted down, and
  // there is no objective.
  std::optional<double> try_merge(std::vector<std::string> values, const Request& merge);
  // An input as a candidate.
  double take_input(std::vector<std::string> values, std::size_t input);

  // The candidate that was tried with these values is better than all before it.
  void accept(const std::vector<std::string>& values);

  // Writes the recipe of the best candidate with a comment that says how it was found, measures it
  // on the test split, and hands out the report. `recipe` has the best one's parameters.
  TuneReport finish(Recipe recipe, bool interrupted);
  // Throws the first failure where no candidate could be measured.
  void require_best() const;

  TuneReport& report() { return report_; }

 private:
  double objective_of(const std::vector<rt::Scores>& scores,
                      TuneReport::Candidate& candidate) const;
  void check_gains() const;
  Measured measure(const Reference& reference, const std::string& kind,
                   const std::vector<rt::Subject>& subjects);
  void measure_test(const Recipe& recipe);
  std::string comment() const;

  const ChoiceOptions& options_;
  Progress& progress_;
  rt::Placement placement_;
  std::vector<rt::Subject> subjects_;
  std::optional<Reference> base_;
  std::vector<Reference> inputs_;
  std::vector<Measured> measured_;       // base and inputs
  std::vector<std::size_t> best_input_;  // of each task, in measured_
  rt::Candidate candidate_;
  std::optional<Error> failure_;
  TuneReport report_;
};

}  // namespace merganser
