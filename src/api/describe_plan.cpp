#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "api/mixture.h"
#include "api/request.h"
#include "base/file.h"
#include "layout/output_folder.h"
#include "smile/experts.h"

namespace merganser {
namespace {

TensorReport describe_job(const Plan& plan, const PlanJob& job) {
  TensorReport report;
  report.name = job.output.name;
  report.dtype = torch_name(job.output.dtype);
  report.shape = job.output.shape;
  report.role = job.place.role;
  report.place = to_string(job.place.place);
  report.layer = job.place.layer;
  report.action = name_of(job.action);
  report.note = job.note;
  report.whole_model = job.whole_model;
  report.sweeps = job.sweeps;
  report.bytes_written = job.output.bytes();
  const auto add = [&](const PlanInput& input, bool read) {
    const PlanModel& model = plan.models[input.model];
    const TensorInfo& header = model.headers()[input.tensor];
    report.inputs.push_back({model.ref.to_string(), header.name, read});
    if (read) report.bytes_read += model.bytes_to_read(input.tensor) * job.sweeps;
  };
  if (job.base && job.action == PlanJob::Action::merge) add(*job.base, true);
  for (const PlanInput& input : job.inputs) add(input, true);
  for (const PlanInput& input : job.unread) add(input, false);
  if (job.action == PlanJob::Action::merge) {
    for (const auto& [name, value] : job.settings.shared) {
      report.parameters.emplace_back(name, to_string(value));
    }
    for (std::size_t i = 0; i < job.settings.per_input.size(); ++i) {
      for (const auto& [name, value] : job.settings.per_input[i]) {
        report.parameters.emplace_back(fmt::format("{}[{}]", name, i), to_string(value));
      }
    }
  }
  return report;
}

}  // namespace

PlanReport describe(const Prepared& prepared, const Request& request) {
  const Plan& plan = prepared.plan;
  PlanReport report;
  report.method = plan.method->name;
  report.architecture = plan.models[plan.reference].architecture.family();
  report.output = request.output;
  for (const PlanModel& model : plan.models) report.models.push_back(model.ref.to_string());
  for (const Plan* document : plan.documents()) {
    report.documents.emplace_back(document->recipe.name, document->method->name);
  }
  for (const PlanJob& job : plan.jobs) report.tensors.push_back(describe_job(plan, job));
  for (const LeftOut& entry : plan.left_out) {
    report.left_out.push_back(
        {plan.models[entry.model].ref.to_string(), entry.tensor, entry.reason});
  }
  report.warnings = plan.warnings;
  report.notes = plan.notes;
  for (const ShardPlan::File& file : plan.shards.files) report.files.push_back(file.name);
  for (const ShardPlan::File& file : plan.mask_shards.files) report.files.push_back(file.name);
  report.companions = companion_list(plan);
  report.bytes_read = bytes_to_read(plan, prepared.budget.held_bytes, request.hash != "none");
  if (prepared.mixture) {
    report.bytes_read += bytes_to_decompose(prepared.mixture->plan);
  }
  report.scratch_bytes = bytes_aside(prepared);
  report.bytes_written = plan.bytes_written + companion_bytes(plan);
  report.tensor_bytes = plan.shards.data_bytes;
  report.peak_memory = prepared.budget.peak_bytes;
  report.chunk_elements = prepared.budget.chunk_elements;
  report.threads = prepared.budget.threads;
  report.seed = plan.recipe.seed;
  if (!request.output.empty()) {
    const auto parent = std::filesystem::absolute(request.output).parent_path();
    std::error_code missing;
    if (std::filesystem::is_directory(parent, missing)) report.free_space = free_space(parent);
  }
  return report;
}

}  // namespace merganser
