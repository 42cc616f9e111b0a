#include "execute/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_text.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr std::uint64_t kMost = 256 << 20;  // bytes of a journal
constexpr std::size_t kTail = 18;           // " ", 16 hex digits, newline

std::string line_of(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format("{} {:016x}\n", text, hash64(text));
}

Json to_json(const RunIdentity& identity) {
  Json inputs = Json::array();
  for (const FileIdentity& file : identity.inputs) {
    inputs.push_back({{"path", file.path.string()},
                      {"size", file.size},
                      {"inode", file.inode},
                      {"mtime_ns", file.mtime_ns}});
  }
  return {{"merganser_journal", kFormat}, {"merge", identity.merge}, {"inputs", inputs}};
}

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

// Throws Json::exception unless it is a count: a fraction or a number beyond 64 bits has no value
// as an integer.
std::uint64_t count_of(const Json& value) {
  return value.get_ref<const Json::number_unsigned_t&>();
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

// The object of the line at `at`, and where the next one begins; none at a damaged or absent line.
std::optional<Json> next_line(std::string_view text, std::size_t& at, const std::string& name) {
  const std::size_t end = text.find('\n', at);
  if (end == text.npos || end + 1 - at < kTail) return std::nullopt;
  const std::string_view json = text.substr(at, end + 1 - at - kTail);
  const std::string_view tail = text.substr(at + json.size(), kTail);
  if (tail != fmt::format(" {:016x}\n", hash64(json))) return std::nullopt;
  try {
    Json value = parse_json(json, name);
    if (!value.is_object()) return std::nullopt;
    at = end + 1;
    return value;
  } catch (const Error&) {
    return std::nullopt;
  }
}

void check_identity(const Json& line, const RunIdentity& identity, const std::string& name) {
  const auto refuse = [](std::string what, const std::string& file) {
    throw Error(ErrorKind::mismatch, std::move(what))
        .in_file(file)
        .hint("merge from the start: leave out --resume");
  };
  const Json ours = to_json(identity);
  if (line.at("merganser_journal") != kFormat || line.at("merge") != ours.at("merge")) {
    refuse("the unfinished run was another merge: its recipe, options, configs or program differ",
           name);
  }
  const Json &then = line.at("inputs"), &now = ours.at("inputs");
  for (std::size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
    if (i >= now.size() || i >= then.size() || then[i].at("path") != now[i].at("path")) {
      refuse("the unfinished run read other files", name);
    }
    if (then[i] != now[i]) {
      refuse("it was changed since the unfinished run read it", identity.inputs[i].path.string());
    }
  }
}

}  // namespace

std::vector<FileIdentity> input_identities(const Plan& plan) {
  std::vector<FileIdentity> found;
  for (const PlanModel* model : plan.checkpoints()) {
    std::vector<std::shared_ptr<const FileSource>> all = {model->file};
    all.insert(all.end(), model->also_read.begin(), model->also_read.end());
    for (const auto& file : all) {
      for (FileIdentity& one : file->checkpoint().identities()) {
        one.path = fs::absolute(one.path).lexically_normal();
        found.push_back(std::move(one));
      }
    }
  }
  return found;
}

Journal::Journal(const fs::path& path, const RunIdentity& identity, const Plan& plan,
                 std::uint64_t valid_bytes, Sync sync)
    : plan_(plan), sync_(std::move(sync)) {
  try {
    file_.emplace(path, valid_bytes);
    if (valid_bytes == 0 && append(line_of(to_json(identity)))) sync_folder(path.parent_path());
  } catch (const Error&) {
    file_.reset();
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
        lines += line_of(to_json(record, plan_));
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
  std::size_t at = 0;
  const auto first = next_line(text, at, name);
  try {
    if (!first) throw Error(ErrorKind::corrupt, "this is no journal").in_file(name);
    check_identity(*first, identity, name);
  } catch (const Json::exception&) {
    throw Error(ErrorKind::corrupt, "this is no journal of this program").in_file(name);
  }
  content.valid_bytes = at;
  std::set<std::size_t> seen;
  while (const auto line = next_line(text, at, name)) {
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
