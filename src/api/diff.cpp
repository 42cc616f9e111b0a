#include "analyze/diff.h"

#include <algorithm>
#include <map>
#include <thread>

#include "merganser/merganser.h"
#include "plan/models.h"

namespace merganser {
namespace {

// Both sides (and the base) under the first one's names.
std::vector<DiffPair> pair_up(const std::vector<PlanModel>& models) {
  std::map<std::string, DiffPair> pairs;
  const auto add = [&](std::size_t model, std::size_t DiffPair::*side) {
    for (std::size_t i = 0; i < models[model].names.size(); ++i) {
      const std::string& name = models[model].names[i];
      if (side == &DiffPair::base && !pairs.contains(name)) continue;
      DiffPair& pair = pairs[name];
      pair.name = name;
      pair.*side = i;
    }
  };
  add(0, &DiffPair::a);
  add(1, &DiffPair::b);
  if (models.size() > 2) add(2, &DiffPair::base);
  std::vector<DiffPair> list;
  for (auto& [name, pair] : pairs) list.push_back(std::move(pair));
  return list;
}

}  // namespace

DiffReport diff(const std::string& a, const std::string& b, const std::string& base,
                unsigned threads, Progress& progress) {
  std::vector<PlanModel> models;
  for (const std::string& path : {a, b, base}) {
    if (path.empty()) continue;
    models.push_back(open_model(model_ref(path), ""));
  }
  DiffReport report{.a = a, .b = b, .base = base};
  bridge_prefixes(models, 0, report.notes);
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const Source* base_source = models.size() > 2 ? models[2].source.get() : nullptr;
  const auto compared = compare(*models[0].source, *models[1].source, base_source, pair_up(models),
                                threads == 0 ? cores : threads, progress);
  for (const TensorDifference& d : compared) {
    report.tensors.push_back({d.name, d.problem, d.elements, d.identical, d.cosine, d.max, d.rms,
                              d.relative, d.non_finite});
    report.identical += d.identical;
  }
  const auto worse = [](const DiffReport::Tensor& x, const DiffReport::Tensor& y) {
    if (x.problem.empty() != y.problem.empty()) return !x.problem.empty();
    return x.relative > y.relative;
  };
  std::stable_sort(report.tensors.begin(), report.tensors.end(), worse);
  return report;
}

}  // namespace merganser
