#include "runtime_api/measured.h"

#include <optional>
#include <utility>

#include "base/error.h"
#include "evaluate/gains.h"

namespace merganser {

Measured measure(std::string name, std::string kind, const rt::Model& model,
                 std::span<const rt::Subject> subjects, const rt::ScoreOptions& options,
                 Progress& progress) {
  try {
    rt::check_fit(subjects, model);
    progress.stage("evaluating " + name);
    return {name, std::move(kind), rt::score(model, subjects, options, progress)};
  } catch (Error& error) {
    // The file of the error is the data's or the task's.
    if (error.kind() != ErrorKind::interrupted) {
      error.hint("model " + name + (error.advice().empty() ? "" : "; " + error.advice()));
    }
    throw;
  }
}

void fill_report(EvaluateReport& report, std::span<const rt::Subject> subjects,
                 std::span<const Measured> all) {
  const bool base = !all.empty() && all.front().kind == "base";
  for (const Measured& each : all) report.rows.push_back({each.name, each.kind, {}});
  for (std::size_t t = 0; t < subjects.size(); ++t) {
    const rt::Metric metric = subjects[t].task.metric;
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].kind != "input") continue;
      if (!best || rt::better(all[i].scores[t], all[*best].scores[t], metric)) best = i;
    }
    report.tasks.push_back({subjects[t].task.name, rt::name_of(metric), best ? all[*best].name : "",
                            rt::smaller_is_better(metric),
                            static_cast<std::uint64_t>(subjects[t].examples.size())});
    for (std::size_t i = 0; i < all.size(); ++i) {
      const rt::Estimate found = rt::estimate(all[i].scores[t], metric);
      EvaluateReport::Figure figure{found.value, found.low, found.high, {}, {}, {}};
      if (base && best) {
        if (const auto gain =
                rt::gain(all[i].scores[t], all[0].scores[t], all[*best].scores[t], metric)) {
          figure.gain = gain->value;
          figure.gain_low = gain->low;
          figure.gain_high = gain->high;
        }
      }
      report.rows[i].figures.push_back(figure);
    }
  }
}

}  // namespace merganser
