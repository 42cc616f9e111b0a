#include "merganser/barrier.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "evaluate/examples.h"
#include "evaluate/scores.h"
#include "evaluate/subset.h"
#include "evaluate/task.h"
#include "evaluate/task_head.h"
#include "runtime_api/functions.h"
#include "runtime_api/open_model.h"
#include "search/barrier.h"
#include "search/mixed_model.h"
#include "search/path.h"

namespace merganser {
namespace {

constexpr unsigned kPathPoints = 25, kPlanePoints = 13;

struct Split {
  std::string name;
  rt::Examples examples;
};

struct Subject {
  rt::Task task;
  rt::TaskHead head;
  std::vector<Split> splits;
  std::optional<rt::Examples> for_statistics;
};

Error usage(const std::string& what) { return Error(ErrorKind::usage, what); }

void check(const BarrierRequest& request) {
  const std::size_t count = request.models.size();
  if (count != 2 && count != 3) {
    throw usage("a path needs two models, a plane three").hint("merganser barrier A B --task FILE");
  }
  if (request.path != "line" && request.path != "slerp") {
    throw usage("unknown path '" + request.path + "'").hint("line or slerp");
  }
  if (count == 3 && request.path != "line") throw usage("a plane has no arcs: leave --path out");
  const unsigned least = count == 2 ? 3 : 2, most = count == 2 ? 1001 : 201;
  if (request.points != 0 && (request.points < least || request.points > most)) {
    throw usage(fmt::format("--points is from {} to {} here", least, most));
  }
  if (!(request.margin >= 0 && request.margin <= 100)) throw usage("--margin is from 0 to 100");
}

std::vector<std::string> splits_of(const rt::Task& task, const BarrierRequest& request) {
  if (!request.splits.empty()) return request.splits;
  std::vector<std::string> names;
  for (const char* each : {"train", "test"}) {
    if (task.splits.contains(each)) names.emplace_back(each);
  }
  if (names.empty()) names.push_back(task.splits.begin()->first);
  return names;
}

std::vector<Subject> read_subjects(const BarrierRequest& request, const rt::Placement& placement) {
  std::vector<Subject> subjects;
  for (rt::Task& task : rt::read_tasks(request.tasks)) {
    std::vector<Split> splits;
    for (const std::string& name : splits_of(task, request)) {
      splits.push_back({name, rt::spread_rows(rt::load_examples(task, name),
                                              static_cast<std::int64_t>(request.rows))});
    }
    rt::TaskHead head(task, placement);
    subjects.push_back({std::move(task), std::move(head), std::move(splits), {}});
  }
  return subjects;
}

void read_statistics_rows(std::vector<Subject>& subjects, const BarrierRequest& request) {
  for (Subject& subject : subjects) {
    if (!subject.task.splits.contains("train")) {
      throw usage(fmt::format("task '{}' has no split 'train' to collect the statistics of "
                              "BatchNorm from",
                              subject.task.name))
          .in_file(subject.task.file.string())
          .hint("give it one, or measure with the interpolated ones alone: --no-statistics");
    }
    subject.for_statistics = rt::spread_rows(rt::load_examples(subject.task, "train"),
                                             static_cast<std::int64_t>(request.statistics_rows));
  }
}

// Keys of the configs that differ and may change what a model computes, though its tensors fit.
std::vector<std::string> differing_keys(const Json& a, const Json& b) {
  static const char* const kHarmless[] = {"architectures",        "torch_dtype", "dtype",
                                          "transformers_version", "id2label",    "label2id"};
  std::vector<std::string> keys;
  const auto compare = [&](const Json& one, const Json& other, bool both) {
    for (const auto& [key, value] : one.items()) {
      if (key.starts_with("_") || std::ranges::count(kHarmless, key) > 0) continue;
      const auto found = other.find(key);
      if (found == other.end() || (both && *found != value)) keys.push_back(key);
    }
  };
  compare(a, b, true);
  compare(b, a, false);
  return keys;
}

// What is measured at one point, for every task and split.
class Measuring {
 public:
  Measuring(const BarrierRequest& request, std::vector<Subject>& subjects,
            const rt::MixedModel& mixed, bool recompute, Progress& progress)
      : subjects_(subjects), mixed_(mixed), recompute_(recompute), progress_(progress) {
    options_.batch = request.runtime.batch;
    const bool norms = !mixed.model().batch_norms().empty();
    for (const Subject& subject : subjects) {
      for (const Split& split : subject.splits) {
        BarrierReport::Panel panel;
        panel.task = subject.task.name;
        panel.split = split.name;
        panel.rows = static_cast<std::uint64_t>(split.examples.size());
        panel.curves.emplace_back().statistics = norms ? "stored" : "";
        if (recompute) panel.curves.emplace_back().statistics = "recomputed";
        panels.push_back(std::move(panel));
      }
    }
  }

  // Rows that one point takes.
  std::uint64_t cost() const {
    std::uint64_t rows = 0;
    for (const Subject& subject : subjects_) {
      for (const Split& split : subject.splits) {
        rows += static_cast<std::uint64_t>(split.examples.size()) * (recompute_ ? 2 : 1);
      }
      if (recompute_) rows += static_cast<std::uint64_t>(subject.for_statistics->size());
    }
    return rows;
  }

  // `keep` is called with the panel, its curve and the scores; `ends`: with their probabilities.
  using Keep = std::function<void(std::size_t, std::size_t, const rt::Scores&)>;
  void measure(bool probabilities, const Keep& keep) {
    options_.probabilities = probabilities;
    // All with the statistics that the point has, before any are collected.
    for (std::size_t curve = 0; curve < (recompute_ ? 2 : 1); ++curve) {
      std::size_t panel = 0;
      for (const Subject& subject : subjects_) {
        if (curve == 1) {
          rt::collect_statistics(mixed_.model(), *subject.for_statistics, options_.batch,
                                 progress_);
        }
        for (const Split& split : subject.splits) {
          keep(panel++, curve,
               rt::score(mixed_.model(), subject.head, subject.task, split.examples, options_,
                         progress_));
        }
      }
    }
  }

  std::vector<BarrierReport::Panel> panels;

 private:
  std::vector<Subject>& subjects_;
  const rt::MixedModel& mixed_;
  bool recompute_;
  Progress& progress_;
  rt::ScoreOptions options_;
};

double loss_of(const rt::Scores& scores) { return rt::estimate(scores, rt::Metric::loss).value; }

std::optional<double> error_of(const rt::Scores& scores) {
  if (!scores.correct.defined()) return std::nullopt;
  return 1 - rt::estimate(scores, rt::Metric::accuracy).value;
}

void add(const rt::Scores& scores, std::vector<double>& loss, std::vector<double>& error) {
  loss.push_back(loss_of(scores));
  if (const auto value = error_of(scores)) error.push_back(*value);
}

BarrierReport::Barrier public_form(const rt::Barriers& found) {
  return {found.above_mean.height, found.above_mean.lambda, found.above_line.height,
          found.above_line.lambda};
}

void measure_path(const BarrierRequest& request, BarrierReport& report, rt::MixedModel& mixed,
                  Measuring& measuring, std::vector<Subject>& subjects, Progress& progress) {
  const int points = static_cast<int>(request.points == 0 ? kPathPoints : request.points);
  const std::vector<rt::PathPoint> path = request.path == "slerp"
                                              ? rt::slerp_path(points, report.angle.value_or(0))
                                              : rt::line_path(points);
  progress.begin(measuring.cost() * path.size(), ProgressUnit::rows);
  std::vector<BarrierReport::Panel>& panels = measuring.panels;
  std::vector<std::array<rt::Scores, 2>> ends(panels.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool end = i == 0 || i + 1 == path.size();
    report.lambdas.push_back(path[i].lambda);
    mixed.set(path[i].parameters, path[i].statistics);
    measuring.measure(end, [&](std::size_t panel, std::size_t curve, const rt::Scores& scores) {
      add(scores, panels[panel].curves[curve].loss, panels[panel].curves[curve].error);
      if (end && curve == 0) ends[panel][i == 0 ? 0 : 1] = scores;
    });
  }
  std::vector<const rt::Examples*> examples;
  for (const Subject& subject : subjects) {
    for (const Split& split : subject.splits) examples.push_back(&split.examples);
  }
  for (std::size_t p = 0; p < panels.size(); ++p) {
    for (BarrierReport::Curve& curve : panels[p].curves) {
      curve.loss_barrier = public_form(rt::barriers_of(report.lambdas, curve.loss));
      if (!curve.error.empty()) {
        curve.error_barrier = public_form(rt::barriers_of(report.lambdas, curve.error));
      }
      curve.best = rt::best_of(report.lambdas, curve.loss);
    }
    for (const double lambda : report.lambdas) {
      add(rt::weighted_ensemble(ends[p], {1 - lambda, lambda}, *examples[p]),
          panels[p].ensemble_loss, panels[p].ensemble_error);
    }
  }
}

void measure_plane(const BarrierRequest& request, BarrierReport& report, rt::MixedModel& mixed,
                   Measuring& measuring, const rt::Gram& gram, Progress& progress) {
  const rt::Plane plane(gram);
  report.places.assign(plane.models().begin(), plane.models().end());
  const int points = static_cast<int>(request.points == 0 ? kPlanePoints : request.points);
  for (const std::size_t axis : {0u, 1u}) {
    double low = 0, high = 0;
    for (const auto& place : plane.models()) {
      low = std::min(low, place[axis]);
      high = std::max(high, place[axis]);
    }
    const double margin = request.margin * (high - low);
    (axis == 0 ? report.x : report.y) = rt::spaced(low - margin, high + margin, points);
  }
  progress.begin(measuring.cost() * (report.x.size() * report.y.size() + 3), ProgressUnit::rows);
  std::vector<BarrierReport::Panel>& panels = measuring.panels;
  for (std::size_t model = 0; model < 3; ++model) {
    rt::Coefficients only(3);
    only[model] = 1;
    mixed.set(only, only);
    measuring.measure(false, [&](std::size_t panel, std::size_t curve, const rt::Scores& scores) {
      add(scores, panels[panel].curves[curve].model_loss, panels[panel].curves[curve].model_error);
    });
  }
  for (const double y : report.y) {
    for (const double x : report.x) {
      const rt::Coefficients point = plane.at(x, y);
      mixed.set(point, point);
      measuring.measure(false, [&](std::size_t panel, std::size_t curve, const rt::Scores& scores) {
        add(scores, panels[panel].curves[curve].loss, panels[panel].curves[curve].error);
      });
    }
  }
}

}  // namespace

BarrierReport runtime_barrier(const BarrierRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  check(request);
  const rt::Placement placement = place_runtime(request.runtime);
  std::vector<Subject> subjects = read_subjects(request, placement);
  std::vector<OpenModel> opened;
  for (const std::string& name : request.models) opened.push_back(open_model(name, placement));
  std::vector<rt::Model*> models;
  for (OpenModel& each : opened) models.push_back(each.model.get());
  rt::MixedModel mixed(models, request.models);
  for (const Subject& subject : subjects) {
    subject.head.check_fit(mixed.model(), subject.task);
    for (const Split& split : subject.splits) {
      rt::check_fit(split.examples, subject.task, mixed.model());
    }
  }

  BarrierReport report;
  report.models = request.models;
  report.path = request.models.size() == 3 ? "plane" : request.path;
  for (std::size_t i = 1; i < opened.size(); ++i) {
    const auto keys = differing_keys(*opened[0].config, *opened[i].config);
    if (keys.empty()) continue;
    report.notes.push_back(
        fmt::format("the configs of {} and {} differ in {}: the first one's is "
                    "used all the way",
                    request.models[0], request.models[i], fmt::join(keys, ", ")));
  }
  const bool norms = !mixed.model().batch_norms().empty();
  const bool recompute = norms && request.statistics;
  if (recompute) read_statistics_rows(subjects, request);
  const rt::Gram gram = mixed.gram();
  report.distance = rt::distance_of(gram, 0, 1);
  if (gram[0][0] > 0 && gram[1][1] > 0) report.angle = rt::angle_of(gram);
  if (request.path == "slerp") rt::angle_of(gram);  // refuses a model of zeros
  Measuring measuring(request, subjects, mixed, recompute, progress);
  progress.stage("measuring");
  if (report.path == "plane") {
    measure_plane(request, report, mixed, measuring, gram, progress);
  } else {
    measure_path(request, report, mixed, measuring, subjects, progress);
  }
  report.panels = std::move(measuring.panels);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
