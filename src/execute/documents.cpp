#include "execute/documents.h"

#include <set>

namespace merganser {

Documents::Documents(const Plan& plan, const Budget& budget, const EngineOptions& options,
                     Progress& progress, std::stop_token stop) {
  for (const Plan* document : plan.documents()) {
    index_[document] = documents_.size();
    documents_.push_back(std::make_unique<DocumentSource>(*document, budget, options, progress,
                                                          stop, sources(*document)));
    std::set<std::pair<std::size_t, std::size_t>> seen;
    for (const PlanJob& job : document->jobs) {
      std::vector<PlanInput> all = job.inputs;
      if (job.base && job.action == PlanJob::Action::merge) all.push_back(*job.base);
      for (const PlanInput& input : all) {
        if (document->models[input.model].document) continue;
        if (seen.insert({input.model, input.tensor}).second) {
          inputs_.push_back({documents_.size() - 1, input});
        }
      }
    }
  }
}

std::vector<const Source*> Documents::sources(const Plan& plan) const {
  std::vector<const Source*> found;
  for (const PlanModel& model : plan.models) {
    found.push_back(model.document ? documents_[index_.at(model.document.get())].get()
                                   : model.source.get());
  }
  return found;
}

std::unique_ptr<Group> Documents::hash_group(std::size_t index, HashKind kind) const {
  const Input& input = inputs_[index];
  return make_hash_group(documents_[input.document]->context(), input.input, kind);
}

void Documents::report_hashes(EngineReport& report) const {
  for (const auto& [plan, index] : index_) {
    report.document_hashes[plan->recipe.name] = documents_[index]->report().input_hashes;
    report.bytes_read += documents_[index]->report().bytes_read;
  }
}

}  // namespace merganser
