#include "merganser/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "evaluate/oracle.h"
#include "evaluate/routes.h"
#include "evaluate/subject.h"
#include "runtime_api/functions.h"
#include "runtime_api/open_model.h"

namespace merganser {
namespace {

using Counts = RouteReport::Counts;

std::vector<double> shares_of(const std::vector<std::uint64_t>& choices) {
  const auto sum = static_cast<double>(std::reduce(choices.begin(), choices.end()));
  std::vector<double> shares;
  for (const std::uint64_t each : choices) shares.push_back(static_cast<double>(each) / sum);
  return shares;
}

double entropy(const std::vector<double>& shares) {
  double bits = 0;
  for (const double share : shares) bits -= share > 0 ? share * std::log2(share) : 0;
  return std::max(bits, 0.0);
}

// How far the tasks' shares are from their mean; none where a task has no choices.
std::optional<double> information(const std::vector<const Counts*>& tasks) {
  std::vector<double> mean(tasks.front()->choices.size(), 0);
  double within = 0;
  const auto weight = 1.0 / static_cast<double>(tasks.size());
  for (const Counts* counts : tasks) {
    if (!counts->entropy) return std::nullopt;
    within += weight * *counts->entropy;
    const std::vector<double> shares = shares_of(counts->choices);
    for (std::size_t e = 0; e < mean.size(); ++e) mean[e] += weight * shares[e];
  }
  return std::max(entropy(mean) - within, 0.0);
}

Counts counts_of(const rt::LayerRoutes& routes, std::size_t own) {
  Counts counts;
  counts.choices = routes.choices;
  const std::uint64_t tokens = std::reduce(routes.first.begin(), routes.first.end());
  if (tokens == 0) return counts;
  counts.entropy = entropy(shares_of(counts.choices));
  counts.agreement = static_cast<double>(routes.first[own]) / static_cast<double>(tokens);
  return counts;
}

rt::LayerRoutes sum_of(const std::vector<rt::LayerRoutes>& layers) {
  rt::LayerRoutes sum;
  sum.choices.assign(layers.front().choices.size(), 0);
  sum.first = sum.choices;
  for (const rt::LayerRoutes& layer : layers) {
    for (std::size_t e = 0; e < sum.choices.size(); ++e) {
      sum.choices[e] += layer.choices[e];
      sum.first[e] += layer.first[e];
    }
  }
  return sum;
}

RouteReport::Layer described(const rt::SmileLinear& layer) {
  RouteReport::Layer made;
  made.name = made.role = layer.name;
  made.experts_per_token = static_cast<std::uint64_t>(layer.per_token());
  for (std::size_t begin = 0; begin < made.name.size();) {
    const std::size_t end = std::min(made.name.find('.', begin), made.name.size());
    const std::string part = made.name.substr(begin, end - begin);
    const bool number =
        !part.empty() && part.size() < 6 && part.find_first_not_of("0123456789") == part.npos;
    if (number && end < made.name.size()) {
      made.block = std::stoul(part);
      made.role = made.name.substr(end + 1);
      break;
    }
    begin = end + 1;
  }
  return made;
}

// Task -> expert, as they were given.
std::map<std::string, std::string> given_experts(const RouteRequest& request) {
  std::map<std::string, std::string> given;
  for (const std::string& each : request.experts) {
    const std::size_t sign = each.find('=');
    if (sign == each.npos || sign == 0 || sign + 1 == each.size()) {
      throw Error(ErrorKind::usage, fmt::format("'{}' is no TASK=EXPERT", each))
          .hint("--expert shakespeare=tune0");
    }
    given[each.substr(0, sign)] = each.substr(sign + 1);
  }
  return given;
}

// A task's own expert, and how it was found.
struct Own {
  std::int64_t expert = -1;
  std::string from;
};

std::vector<Own> own_experts(const RouteRequest& request, const std::vector<rt::Subject>& subjects,
                             const rt::Model& model) {
  std::map<std::string, std::string> given = given_experts(request);
  std::vector<Own> all;
  for (const rt::Subject& subject : subjects) {
    const auto found = given.find(subject.task.name);
    if (found == given.end()) {
      all.push_back({rt::expert_named(model, subject.task.name), "name"});
      continue;
    }
    all.push_back({rt::expert_named(model, found->second), "given"});
    if (all.back().expert < 0) {
      throw Error(ErrorKind::usage, fmt::format("there is no expert '{}'", found->second))
          .in_file(request.model)
          .hint(fmt::format("it has {}", join(model.routing()->experts, ", ")));
    }
    given.erase(found);
  }
  if (!given.empty()) {
    throw Error(ErrorKind::usage, fmt::format("an expert is given for '{}', which is no task here",
                                              given.begin()->first));
  }
  return all;
}

RouteReport::Task task_of(const rt::Subject& subject, const Own& own_expert,
                          const rt::Routes& routes, const std::vector<std::string>& experts) {
  RouteReport::Task task;
  task.name = subject.task.name;
  task.rows = static_cast<std::uint64_t>(subject.examples.size());
  task.tokens = routes.tokens;
  const auto own = static_cast<std::size_t>(own_expert.expert);
  task.expert = experts[own];
  task.expert_from = own_expert.from;
  task.total = counts_of(sum_of(routes.layers), own);
  for (const rt::LayerRoutes& layer : routes.layers) {
    task.layers.push_back(counts_of(layer, own));
    task.text.push_back(layer.text);
  }
  task.ids = routes.ids;
  return task;
}

void add_information(RouteReport& report) {
  if (report.tasks.size() < 2) return;
  double sum = 0;
  std::size_t known = 0;
  for (std::size_t l = 0; l < report.layers.size(); ++l) {
    std::vector<const Counts*> tasks;
    for (const RouteReport::Task& task : report.tasks) tasks.push_back(&task.layers[l]);
    const auto bits = information(tasks);
    report.information.push_back(bits.value_or(std::nan("")));
    if (!bits) continue;
    sum += *bits;
    ++known;
  }
  if (known > 0) report.mean_information = sum / static_cast<double>(known);
}

}  // namespace

RouteReport runtime_route(const RouteRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  const rt::Placement placement = place_runtime(request.runtime);
  const std::vector<rt::Subject> subjects =
      rt::read_subjects(request.tasks, request.split, placement);
  const OpenModel opened = open_model(request.model, placement);
  const rt::Model& model = *opened.model;
  if (model.routing() == nullptr) {
    throw Error(ErrorKind::usage, "it is no mixture of experts, and has no routers")
        .in_file(request.model)
        .hint("merge_method: smile makes one");
  }
  RouteReport report;
  report.model = request.model;
  report.split = request.split;
  report.experts = model.routing()->experts;
  if (report.experts.size() < 2) {
    throw Error(ErrorKind::usage, "the mixture has one expert, and no routers")
        .in_file(request.model);
  }
  for (const rt::SmileLinear* layer : model.mixtures()) report.layers.push_back(described(*layer));
  std::vector<Own> own = own_experts(request, subjects, model);
  rt::check_fit(subjects, model);
  std::uint64_t rows = rt::rows_of(subjects);
  for (std::size_t t = 0; t < subjects.size(); ++t) {
    if (own[t].expert >= 0) continue;
    rows += report.experts.size() * static_cast<std::uint64_t>(subjects[t].examples.size());
  }
  progress.begin(rows, ProgressUnit::rows);
  for (std::size_t t = 0; t < subjects.size(); ++t) {
    const rt::Subject& subject = subjects[t];
    if (own[t].expert < 0) {
      progress.stage("trying the experts on " + subject.task.name);
      own[t].expert = rt::try_experts(model, subject.head, subject.task, subject.examples,
                                      {.batch = request.runtime.batch}, progress)
                          .best;
      own[t].from = "tried";
      report.notes.push_back(
          fmt::format("no expert is named '{0}': its own is '{1}', with which alone the model does "
                      "best on these rows",
                      subject.task.name, report.experts[static_cast<std::size_t>(own[t].expert)]));
    }
    progress.stage("routing " + subject.task.name);
    const rt::Routes routes = rt::count_routes(model, subject.head, subject.task, subject.examples,
                                               {.batch = request.runtime.batch}, progress);
    report.tasks.push_back(task_of(subject, own[t], routes, report.experts));
  }
  add_information(report);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
