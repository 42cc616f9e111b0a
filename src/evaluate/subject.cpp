#include "evaluate/subject.h"

#include <utility>

namespace merganser::rt {

std::vector<Subject> read_subjects(std::span<const std::string> files, const std::string& split,
                                   const Placement& placement) {
  std::vector<Subject> subjects;
  for (Task& task : read_tasks(files)) {
    Examples examples = load_examples(task, split);
    TaskHead head(task, placement);
    subjects.push_back({std::move(task), std::move(examples), std::move(head)});
  }
  return subjects;
}

std::uint64_t rows_of(std::span<const Subject> subjects) {
  std::uint64_t rows = 0;
  for (const Subject& each : subjects) rows += static_cast<std::uint64_t>(each.examples.size());
  return rows;
}

void check_fit(std::span<const Subject> subjects, const Model& model) {
  for (const Subject& subject : subjects) {
    check_fit(subject.examples, subject.task, model);
    subject.head.check_fit(model, subject.task);
  }
}

std::vector<Scores> score(const Model& model, std::span<const Subject> subjects,
                          const ScoreOptions& options, Progress& progress) {
  std::vector<Scores> scores;
  for (const Subject& subject : subjects) {
    scores.push_back(score(model, subject.head, subject.task, subject.examples, options, progress));
  }
  return scores;
}

}  // namespace merganser::rt
