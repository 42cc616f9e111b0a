#include "merganser/analyze.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "analyze/advice.h"
#include "analyze/analysis.h"
#include "analyze/median_rank.h"
#include "api/analysis_json.h"
#include "api/analysis_models.h"
#include "api/report_file.h"
#include "api/unchanged.h"
#include "base/error.h"
#include "base/file.h"
#include "merganser/merganser.h"
#include "methods/registry.h"
#include "report/report_page.h"

namespace merganser {
namespace {

constexpr std::uint64_t kMostValues = 4096;  // singular values of a change

void check(const AnalysisRequest& request) {
  const auto refuse = [](const char* what) { throw Error(ErrorKind::usage, what); };
  if (!(request.top_share > 0 && request.top_share <= 1)) {
    refuse("--top must be above 0 and at most 1");
  }
  if (request.rank == 0 || request.rank > kMostValues) {
    refuse("--rank must be from 1 to 4096");
  }
  if (request.angles > 256) refuse("--angles must be from 0 to 256");
  if (request.recipe_file.empty() && (request.base.empty() || request.models.empty())) {
    throw Error(ErrorKind::usage, "no fine-tune is given")
        .hint("merganser analyze RECIPE.yml, or merganser analyze BASE FINETUNED...");
  }
}

std::optional<double> median_of(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  return values[(values.size() - 1) / 2];
}

AnalysisReport::Model summary_of(const Analysis& analysis, std::size_t i) {
  AnalysisReport::Model model;
  model.name = analysis.inputs.name(i);
  model.short_name = analysis.inputs.short_name(i);
  model.kind = analysis.inputs.adapter(i) ? "lora" : "full";
  model.norm = analysis.total.changes[i].norm;
  model.relative = analysis.total.changes[i].relative;
  for (const NamedGroup& part : analysis.parts) {
    model.shares.emplace_back(part.name, part.figures.changes[i].share.value_or(0));
  }
  const MedianRank rank = median_rank_90(analysis, i);
  if (rank.rank) model.rank_90 = static_cast<double>(*rank.rank);
  model.rank_beyond = rank.more();
  std::vector<double> effective;
  for (std::size_t t = 0; t < analysis.inputs.tensors.size(); ++t) {
    const auto& spectrum = analysis.figures[t].changes[i].spectrum;
    if (analysis.inputs.tensors[t].part != Part::linear || !spectrum) continue;
    if (const auto known = spectrum->effective_rank()) effective.push_back(*known);
  }
  model.effective_rank = median_of(effective);
  return model;
}

AnalysisReport::Layer summary_of(const LayerGroup& group) {
  AnalysisReport::Layer layer;
  layer.module = group.module;
  layer.layer = group.layer;
  for (const ChangeFigures& change : group.figures.changes) {
    layer.relative.push_back(change.relative);
  }
  for (const PairFigures& pair : group.figures.pairs) {
    if (pair.sign_conflict_top) {
      layer.sign_conflict_top =
          std::max(layer.sign_conflict_top.value_or(0), *pair.sign_conflict_top);
    }
    if (pair.cosine) layer.cosine = std::min(layer.cosine.value_or(1), *pair.cosine);
  }
  return layer;
}

AnalysisReport summary_of(const Analysis& analysis) {
  AnalysisReport report;
  report.base = analysis.inputs.plan.models[0].ref.to_string();
  const std::size_t models = analysis.inputs.models();
  for (std::size_t i = 0; i < models; ++i) report.models.push_back(summary_of(analysis, i));
  std::size_t pair = 0;
  for (std::size_t i = 0; i < models; ++i) {
    for (std::size_t j = i + 1; j < models; ++j) {
      const PairFigures& figures = analysis.total.pairs[pair++];
      report.pairs.push_back({report.models[i].short_name, report.models[j].short_name,
                              figures.cosine, figures.sign_conflict, figures.sign_conflict_top,
                              figures.overlap_top});
    }
  }
  for (const LayerGroup& layer : analysis.layers) report.layers.push_back(summary_of(layer));
  for (std::size_t m = 0; m < analysis.methods.size(); ++m) {
    const AnalysedMethod& method = analysis.methods[m];
    report.methods.push_back(
        {method.name, method.label, method.from_recipe, analysis.total.losses[m]});
  }
  report.notes = analysis.notes;
  for (const LeftOut& entry : analysis.inputs.left_out) {
    report.notes.push_back(fmt::format("left out: {} of {}: {}", entry.tensor,
                                       analysis.inputs.plan.models[entry.model].ref.to_string(),
                                       entry.reason));
  }
  return report;
}

}  // namespace

AnalysisReport analyze(const AnalysisRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  check(request);
  check_report_file(request.report, request.force);
  AnalysisModels wanted = analysis_models(request);
  AnalysisSettings settings;
  // A recipe's experts may keep more than is asked for besides.
  settings.rank =
      static_cast<std::size_t>(std::max(request.rank, std::min(wanted.values, kMostValues)));
  settings.top_share = request.top_share;
  settings.angles = static_cast<std::size_t>(request.angles);
  settings.zones = request.zones;
  settings.seed = request.seed.value_or(wanted.seed);
  settings.memory = request.memory;
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  settings.threads = request.threads == 0 ? cores : request.threads;

  AnalysisInputs inputs = match_tensors(std::move(wanted.models));
  std::vector<AnalysedMethod> methods;
  if (wanted.own) methods.push_back(std::move(*wanted.own));
  if (request.losses) {
    for (AnalysedMethod& method :
         usual_methods(inputs, settings.seed, request.rank, require_method)) {
      methods.push_back(std::move(method));
    }
  }
  inputs.notes.insert(inputs.notes.end(), wanted.notes.begin(), wanted.notes.end());
  const Analysis analysis = analyse(std::move(inputs), std::move(methods), settings, progress);
  for (const PlanModel& model : analysis.inputs.plan.models) check_unchanged(model, "analyze");
  const std::vector<Advice> advice = advise(analysis);

  AnalysisReport report = summary_of(analysis);
  for (const Advice& one : advice) report.advice.push_back({one.topic, one.level, one.text});
  report.document = analysis_document(analysis, advice);
  if (!request.report.empty()) {
    install_text(request.report, report_page(ReportPage::analysis, report.document), request.force);
    report.report = request.report;
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
