#include "execute/journal.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/hashed_lines.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKind = "merganser_journal";
constexpr std::uint64_t kMost = 256 << 20;  // bytes of a journal

Json to_json(const JobRecord& record, const Plan& plan) {
  Json inputs = Json::array();
  for (const JobRecord::Input& input : record.inputs) {
    inputs.push_back({input.input.model, input.input.tensor, input.hash, input.non_finite});
  }
  Json line = {{"tensor", plan.jobs[record.job].output.name}, {"inputs", inputs}};
  if (!record.output_hash.empty()) line["hash"] = record.output_hash;
  if (record.output_non_finite > 0) line["non_finite"] = record.output_non_finite;
  if (!record.mask_hashes.empty()) line["masks"] = record.mask_hashes;
  if (!record.facts.empty()) {
    Json& facts = line["facts"] = Json::array();
    for (const Fact& fact : record.facts) facts.push_back({fact.name, fact.values});
  }
  return line;
}

// Throws Json::exception, or nothing comes back, for a line that is no record of this plan.
std::optional<JobRecord> record_of(const Json& line, const Plan& plan) {
  const auto name = line.at("tensor").get<std::string>();
  const auto by_name = [](const PlanJob& job) -> const std::string& { return job.output.name; };
  const auto job = std::ranges::lower_bound(plan.jobs, name, {}, by_name);
  if (job == plan.jobs.end() || job->output.name != name) return std::nullopt;
  JobRecord record;
  record.job = static_cast<std::size_t>(job - plan.jobs.begin());
  for (const Json& input : line.at("inputs")) {
    const PlanInput from{count_of(input.at(0)), count_of(input.at(1))};
    if (from.model >= plan.models.size() ||
        from.tensor >= plan.models[from.model].headers().size()) {
      return std::nullopt;
    }
    record.inputs.push_back({from, input.at(2).get<std::string>(), count_of(input.at(3))});
  }
  record.output_hash = line.value("hash", "");
  if (line.contains("non_finite")) record.output_non_finite = count_of(line.at("non_finite"));
  if (line.contains("masks")) {
    record.mask_hashes = line.at("masks").get<std::vector<std::string>>();
    if (record.mask_hashes.size() > job->masks.size()) return std::nullopt;
  }
  if (line.contains("facts")) {
    for (const Json& fact : line.at("facts")) {
      record.facts.push_back(
          {fact.at(0).get<std::string>(), fact.at(1).get<std::vector<double>>()});
    }
  }
  return record;
}

}  // namespace

Journal::Journal(const fs::path& path, const RunIdentity& identity, const Plan& plan,
                 std::uint64_t valid_bytes, Sync sync)
    : plan_(plan), sync_(std::move(sync)) {
  try {
    if (valid_bytes > 0) {
      file_.emplace(path, valid_bytes);
    } else {
      file_.emplace(path, identity_line(identity, kKind));
    }
  } catch (const Error&) {
    return;
  }
  thread_ = std::thread([this] { work(); });
}

Journal::~Journal() {
  {
    std::lock_guard lock(mutex_);
    waiting_.clear();  // whoever wants them called close()
  }
  try {
    close();
  } catch (...) {  // the run failed already
  }
}

// A full disk ends the journal, not the run: what stands there stays good.
bool Journal::append(std::string_view text) {
  if (!file_) return false;
  try {
    file_->append(text);
    return true;
  } catch (const Error&) {
    file_.reset();
    return false;
  }
}

void Journal::add(const JobRecord& record) {
  {
    std::lock_guard lock(mutex_);
    if (closing_ || failure_) return;
    waiting_.push_back(record);
  }
  changed_.notify_one();
}

void Journal::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::vector<JobRecord> records = std::exchange(waiting_, {});
    lock.unlock();
    std::exception_ptr failure;
    try {
      std::vector<std::size_t> jobs;
      std::string lines;
      for (const JobRecord& record : records) {
        jobs.push_back(record.job);
        lines += hashed_line(to_json(record, plan_));
      }
      sync_(jobs);
      if (append(lines)) written_ += records.size();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) {
      failure_ = failure;
      return;
    }
  }
}

void Journal::close() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

JournalContent parse_journal(std::string_view text, const RunIdentity& identity, const Plan& plan,
                             const std::string& name) {
  JournalContent content;
  std::size_t at = check_identity(text, identity, kKind, name);
  content.valid_bytes = at;
  std::set<std::size_t> seen;
  while (const auto line = next_hashed_line(text, at, name)) {
    try {
      std::optional<JobRecord> record = record_of(*line, plan);
      if (!record) break;
      if (seen.insert(record->job).second) content.records.push_back(std::move(*record));
    } catch (const Json::exception&) {
      break;
    }
    content.valid_bytes = at;
  }
  return content;
}

JournalContent read_journal(const fs::path& path, const RunIdentity& identity, const Plan& plan) {
  return parse_journal(read_text(path, kMost), identity, plan, path.string());
}

}  // namespace merganser
