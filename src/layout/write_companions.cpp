// The output folder put together, but for the weights.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/file.h"
#include "base/hash_file.h"
#include "layout/card.h"
#include "layout/chat_template.h"
#include "layout/companions.h"
#include "layout/lineage.h"
#include "layout/names.h"
#include "layout/output_folder.h"
#include "layout/provenance.h"
#include "layout/tasks.h"
#include "source/task_source.h"

namespace merganser {
namespace {

constexpr std::uint64_t kPage = 4096;  // file systems give out whole ones

std::uint64_t on_disk(std::uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

// As transformers writes it.
std::string config_text(const Json& config) {
  return config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<std::pair<std::string, std::string>> companion_hashes(
    const FolderContents& contents, const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const CompanionFile& file : contents.companions.copied) names.push_back(file.name);
  for (const std::string& name : contents.written) {
    if (name != names::kCard && name != kTaskMaskFile) names.push_back(name);
  }
  std::ranges::sort(names);
  std::vector<std::pair<std::string, std::string>> hashes;
  for (std::string& name : names) {
    std::string hash = hash_file(folder / name, HashKind::sha256);
    hashes.emplace_back(std::move(name), std::move(hash));
  }
  return hashes;
}

}  // namespace

std::vector<std::string> companion_list(const Plan& plan) {
  std::vector<std::string> result;
  if (plan.single_file) return result;
  for (CompanionFile& file : find_companions(plan).copied) result.push_back(std::move(file.name));
  return result;
}

void copy_companion_files(const Plan& plan, const std::filesystem::path& folder) {
  if (plan.single_file) return;
  copy_companions(plan, find_companions(plan), folder);
  if (config_changed(plan)) write_text(folder / names::kConfig, config_text(*plan.config));
}

std::uint64_t companion_bytes(const Plan& plan) {
  // Provenance: some hundred bytes for a tensor and each of its inputs.
  std::uint64_t text = 4096 + 3 * recipe_text(plan).size();
  std::vector<const Plan*> plans = plan.documents();
  plans.push_back(&plan);
  for (const Plan* each : plans) {
    for (const PlanJob& job : each->jobs) {
      text += 300 + 2 * job.output.name.size();
      text += (job.inputs.size() + job.unread.size()) * (200 + job.output.name.size());
    }
  }
  for (const PlanModel* model : plan.checkpoints()) {
    std::error_code code;
    const std::uint64_t bytes = std::filesystem::file_size(model->path / names::kProvenance, code);
    if (!code) text += bytes;
  }
  std::uint64_t total = on_disk(text);
  if (plan.single_file) return total;
  for (const CompanionFile& file : find_companions(plan).copied) total += on_disk(file.bytes);
  return total + 4 * kPage;
}

std::string write_companions(const Plan& plan, const ProvenanceFacts& facts,
                             const std::filesystem::path& folder, const std::string& title) {
  FolderContents contents;
  std::vector<std::string>& written = contents.written;
  const auto write = [&](const char* name, const std::string& text) {
    write_text(folder / name, text);
    written.emplace_back(name);
  };
  if (!plan.single_file) {
    contents.companions = find_companions(plan);
    copy_companions(plan, contents.companions, folder);
    for (const auto& [name, text] : plan.files) write(name.c_str(), text);
    if (config_changed(plan)) write(names::kConfig, config_text(*plan.config));
    if (plan.shards.indexed()) {
      write("model.safetensors.index.json", plan.shards.index_text(plan.outputs()));
    }
    if (!plan.tasks.empty()) {
      written.emplace_back(kTaskMaskFile);
      write(kTaskFile, task_text(plan, facts));
    }
    std::vector<std::string>& notes = contents.companions.notes;
    if (const auto text = wanted_chat_template(plan, notes)) {
      for (std::string& name : write_chat_template(folder, *text, notes)) {
        std::erase_if(contents.companions.copied,
                      [&](const CompanionFile& file) { return file.name == name; });
        written.push_back(std::move(name));
      }
    }
    write(names::kRecipe, recipe_text(plan));
    write(names::kCard, card_text(plan, facts.version, title));
  }
  std::ranges::sort(written);
  contents.hashes = companion_hashes(contents, folder);
  const std::string provenance = provenance_text(plan, facts, find_lineage(plan), contents);
  write_text(folder / names::kProvenance, provenance);
  sync_folder(folder);
  return provenance;
}

std::string describe_merge(const Plan& plan, const ProvenanceFacts& facts) {
  return provenance_text(plan, facts, find_lineage(plan), {});
}

}  // namespace merganser
