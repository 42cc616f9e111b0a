#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <thread>

#include "api/recorded.h"
#include "api/report_text.h"
#include "api/verify_record.h"
#include "base/error.h"
#include "base/hash_file.h"
#include "base/tensor_info.h"
#include "checkpoint/checkpoint.h"
#include "merganser/merganser.h"
#include "source/task_source.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kStep = std::uint64_t{4} << 20;  // bytes hashed at once

// A tensor of the output or one of its masks, and the hash that it should have.
struct Claim {
  const Checkpoint* checkpoint = nullptr;
  const StoredTensor* tensor = nullptr;
  std::string shown;  // in reports
  std::string hash;
};

HashKind kind_of(const std::string& hash, const fs::path& provenance) {
  const std::string name = hash.substr(0, hash.find(':'));
  if (name == "xxh3") return HashKind::xxh3;
  if (name == "sha256") return HashKind::sha256;
  throw Error(ErrorKind::unsupported, fmt::format("it has hashes of an unknown kind: '{}'", name))
      .in_file(provenance.string());
}

std::string hash_of(const Claim& claim, HashKind kind, std::vector<std::byte>& buffer,
                    Progress& progress) {
  const auto hasher = Hasher::make(kind);
  const std::uint64_t bytes = claim.tensor->info.bytes();
  for (std::uint64_t at = 0; at < bytes; at += kStep) {
    if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    const auto size = static_cast<std::size_t>(std::min(kStep, bytes - at));
    const std::span<std::byte> part = std::span(buffer).first(size);
    claim.checkpoint->read(*claim.tensor, at, part);
    hasher->update(part);
    progress.advance(size);
  }
  return hasher->finish();
}

class Verification {
 public:
  Verification(const Json& told, const fs::path& place, const VerifyRequest& request,
               Progress& progress)
      : request_(request), progress_(progress), place_(place), told_(told) {
    report_.provenance = place_.string();
    report_.recorded_version = text_at(told_, "merganser");
    report_.hash = text_at(told_, "hash");
  }

  VerifyReport run() {
    const fs::path output = output_of();
    report_.output = output.string();
    // Opened as a folder an adapter is refused, for want of its base.
    const bool adapter = told_.contains("kind");
    const Checkpoint weights =
        Checkpoint::open(adapter ? output / "adapter_model.safetensors" : output);
    collect_tensors(weights);
    std::optional<Checkpoint> masks;
    if (has_masks_) {
      masks = Checkpoint::open(output / kTaskMaskFile);
      collect_masks(*masks, read_tasks(output));
    }
    compare_hashes();
    if (adapter || !weights.single_file()) compare_files(output);
    std::ranges::sort(report_.problems);
    return std::move(report_);
  }

 private:
  fs::path output_of() const {
    std::error_code ignored;
    if (fs::path(request_.output) != place_) return request_.output;
    // The provenance itself was named: "x.merganser.json" lies beside "x.safetensors".
    const std::string name = place_.filename().string();
    constexpr std::string_view tail = ".merganser.json";
    if (!name.ends_with(tail)) return place_.parent_path().empty() ? "." : place_.parent_path();
    return place_.parent_path() / (name.substr(0, name.size() - tail.size()) + ".safetensors");
  }

  void problem(const std::string& what, const std::string& is) {
    report_.problems.emplace_back(what, is);
  }

  void collect_tensors(const Checkpoint& weights) {
    std::set<std::string> named;
    for (const Json& line : told_["tensors"]) {
      const std::string name = text_at(line, "name");
      named.insert(name);
      ++report_.tensors;
      const StoredTensor* tensor = weights.find(name);
      if (tensor == nullptr) {
        problem(name, "is not there");
        continue;
      }
      const std::string dtype(safetensors_name(tensor->info.dtype));
      if (dtype != text_at(line, "dtype")) {
        problem(name, fmt::format("is {}, recorded is {}", dtype, text_at(line, "dtype")));
        continue;
      }
      if (line.value("shape", Json()) != Json(tensor->info.shape)) {
        problem(name, fmt::format("has shape {}, recorded is {}", to_string(tensor->info.shape),
                                  line.value("shape", Json()).dump()));
        continue;
      }
      if (const std::string hash = text_at(line, "hash"); !hash.empty()) {
        claims_.push_back({&weights, tensor, name, hash});
      }
      has_masks_ = has_masks_ || line.contains("masks");
    }
    for (const StoredTensor& tensor : weights.tensors()) {
      if (!named.contains(tensor.info.name)) problem(tensor.info.name, "is not in the record");
    }
  }

  // The hashes of a tensor's masks stand in the order of the tasks.
  void collect_masks(const Checkpoint& masks, const TaskList& list) {
    for (const Json& line : told_["tensors"]) {
      const auto hashes = line.find("masks");
      if (hashes == line.end() || !hashes->is_array()) continue;
      for (std::size_t i = 0; i < std::min(hashes->size(), list.tasks.size()); ++i) {
        const std::string name = list.tasks[i].name + "/" + text_at(line, "name");
        const StoredTensor* tensor = masks.find(name);
        if (tensor == nullptr) {
          problem("mask " + name, "is not there");
        } else if ((*hashes)[i].is_string()) {
          claims_.push_back({&masks, tensor, "mask " + name, (*hashes)[i].get<std::string>()});
        }
      }
    }
  }

  void compare_hashes() {
    std::uint64_t total = 0;
    std::vector<HashKind> kinds;
    if (report_.hash.empty() && !claims_.empty()) {
      report_.hash = claims_[0].hash.substr(0, claims_[0].hash.find(':'));
    }
    for (const Claim& claim : claims_) {
      total += claim.tensor->info.bytes();
      kinds.push_back(kind_of(claim.hash, place_));
    }
    progress_.begin(total);
    progress_.stage("hashing");
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::exception_ptr failure;
    const auto work = [&] {
      try {
        std::vector<std::byte> buffer(kStep);
        for (std::size_t i = 0; (i = next++) < claims_.size();) {
          const std::string now = hash_of(claims_[i], kinds[i], buffer, progress_);
          const std::lock_guard lock(mutex);
          ++report_.compared;
          if (now != claims_[i].hash) {
            problem(claims_[i].shown, fmt::format("has {}, recorded is {}", now, claims_[i].hash));
          }
        }
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = claims_.size();
      }
    };
    const unsigned wanted =
        request_.threads > 0 ? request_.threads : std::max(1u, std::thread::hardware_concurrency());
    std::vector<std::jthread> threads;
    try {
      while (threads.size() + 1 < wanted) threads.emplace_back(work);
    } catch (const std::system_error&) {  // fewer, then
    }
    work();
    threads.clear();
    if (failure) std::rethrow_exception(failure);
  }

  void compare_files(const fs::path& output) {
    const auto files = told_.find("files");
    if (files == told_.end() || !files->is_object()) return;
    for (const auto& [name, hash] : files->items()) {
      ++report_.files;
      // A record may be hostile: it must not make us look elsewhere.
      const fs::path relative = fs::path(name).lexically_normal();
      if (relative.is_absolute() || relative.empty() || *relative.begin() == "..") {
        problem(name, "is no file of the output");
        continue;
      }
      std::error_code code;
      if (!fs::is_regular_file(output / relative, code)) {
        problem(name, "is not there");
      } else if (!hash.is_string() ||
                 hash_file(output / relative, HashKind::sha256) != hash.get<std::string>()) {
        problem(name, "was changed after the merge");
      }
    }
  }

  const VerifyRequest& request_;
  Progress& progress_;
  const fs::path& place_;
  const Json& told_;
  VerifyReport report_;
  std::vector<Claim> claims_;
  bool has_masks_ = false;
};

}  // namespace

VerifyReport verify_record(const Json& told, const fs::path& place, const VerifyRequest& request,
                           Progress& progress) {
  return Verification(told, place, request, progress).run();
}

VerifyReport verify(const VerifyRequest& request, Progress& progress) {
  const fs::path place = find_provenance(request.output);
  return verify_record(read_provenance(place), place, request, progress);
}

std::string VerifyReport::json() const {
  Json list = Json::array();
  for (const auto& [what, is] : problems) list.push_back({{"what", what}, {"problem", is}});
  const Json json = {{"output", output},
                     {"provenance", provenance},
                     {"whole", whole()},
                     {"hash", hash},
                     {"tensors", tensors},
                     {"compared", compared},
                     {"files", files},
                     {"recorded_version", recorded_version},
                     {"problems", std::move(list)}};
  return report_text(json);
}

}  // namespace merganser
