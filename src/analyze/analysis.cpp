#include "analyze/analysis.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "analyze/elements.h"
#include "analyze/losses.h"
#include "analyze/matrices.h"
#include "base/error.h"

namespace merganser {
namespace {

using Chosen = std::vector<std::size_t>;

constexpr std::uint64_t kUsualMemory = 900'000'000;

void add_methods(Analysis& analysis, std::vector<AnalysedMethod> methods, Progress& progress) {
  for (AnalysedMethod& method : methods) {
    progress.stage("merging by " + method.name);
    try {
      add_losses(analysis.inputs, method, analysis.figures, analysis.settings.threads, progress);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::io) throw;
      for (TensorFigures& tensor : analysis.figures) tensor.lost.pop_back();
      analysis.notes.push_back(fmt::format("{} is left out: {}", method.label, error.what()));
      continue;
    }
    method.plan.reset();
    analysis.methods.push_back(std::move(method));
  }
}

void add_groups(Analysis& analysis) {
  const AnalysisInputs& inputs = analysis.inputs;
  const std::vector<double> whole = whole_changes(analysis.figures, inputs.models());
  const auto together = [&](const Chosen& chosen) {
    return aggregate(inputs, analysis.figures, chosen, whole);
  };
  std::map<std::pair<std::size_t, std::size_t>, Chosen> layers;  // by module and number
  std::map<std::string, Chosen> roles;
  std::map<Part, Chosen> parts;
  Chosen all;
  for (std::size_t t = 0; t < inputs.tensors.size(); ++t) {
    const AnalysedTensor& tensor = inputs.tensors[t];
    analysis.tensors.push_back(together({t}));
    if (tensor.place.layer) layers[{tensor.place.module, *tensor.place.layer}].push_back(t);
    roles[tensor.role].push_back(t);
    parts[tensor.part].push_back(t);
    all.push_back(t);
  }
  for (const auto& [place, chosen] : layers) {
    const std::string& module = inputs.tensors[chosen.front()].module;
    analysis.layers.push_back({module, place.second, together(chosen)});
  }
  for (const auto& [role, chosen] : roles) analysis.roles.push_back({role, together(chosen)});
  for (const auto& [part, chosen] : parts) {
    analysis.parts.push_back({std::string(name_of(part)), together(chosen)});
  }
  analysis.total = together(all);
}

}  // namespace

std::string LayerGroup::name() const {
  return module.empty() ? std::to_string(layer) : fmt::format("{} {}", module, layer);
}

Analysis analyse(AnalysisInputs inputs, std::vector<AnalysedMethod> methods,
                 const AnalysisSettings& settings, Progress& progress) {
  Analysis analysis;
  analysis.settings = settings;
  analysis.notes = inputs.notes;
  analysis.inputs = std::move(inputs);
  const std::uint64_t memory = settings.memory == 0 ? kUsualMemory : settings.memory;
  progress.stage("comparing");
  analysis.figures =
      compare_elements(analysis.inputs, settings.top_share, memory, settings.threads, progress);
  progress.stage("decomposing");
  compare_matrices(analysis.inputs,
                   {settings.rank, settings.angles, settings.zones, settings.zone_share,
                    settings.seed, memory, settings.memory == 0, settings.threads},
                   analysis.figures, analysis.notes, progress);
  add_methods(analysis, std::move(methods), progress);
  add_groups(analysis);
  analysis.curve =
      smile_curve(analysis.inputs, analysis.figures, settings.rank, settings.router_rank);
  return analysis;
}

}  // namespace merganser
