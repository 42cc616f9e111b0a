#include "layout/output_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "layout/leftovers.h"
#include "layout/names.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

Error refused(int code, std::string_view action, const fs::path& path) {
  return Error(ErrorKind::io,
               fmt::format("cannot {}: {}", action, std::generic_category().message(code)))
      .in_file(path.string());
}

// What cannot be removed does not stop a run: it takes another name.
void remove_leftovers(const fs::path& target, const fs::path& but = {}) {
  std::error_code ignored;
  for (const fs::path& path : leftovers(target)) {
    if (path != but) fs::remove_all(path, ignored);
  }
}

// All else is made again.
void remove_all_but(const fs::path& folder, const std::vector<std::string>& kept) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (std::ranges::find(kept, name) == kept.end()) fs::remove_all(entry.path());
  }
}

// Links lead elsewhere, and what is no file cannot be gone on with.
void remove_strange(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(path, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) fs::remove_all(path, ignored);
}

void remove_torn(const fs::path& journal) {
  std::error_code ignored;
  if (fs::exists(journal, ignored) && !is_begun(journal)) fs::remove(journal, ignored);
}

// Not mkdtemp: that makes a private folder, and the output should have ordinary permissions.
fs::path make_folder(const fs::path& parent, const std::string& prefix) {
  for (unsigned count = 0;; ++count) {
    fs::path path = parent / fmt::format("{}{}-{}", prefix, ::getpid(), count);
    if (::mkdir(path.c_str(), 0777) == 0) return path;
    if (errno != EEXIST || count == 10'000) throw refused(errno, "create this folder", path);
  }
}

}  // namespace

// A file that the running process holds locked; the system frees it however the process ends.
class OutputFolder::Lock {
 public:
  Lock(fs::path path, const fs::path& target) : path_(std::move(path)) {
    while (!try_lock(target)) {
    }
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (fd_ < 0) return;
    // While it is still locked: whoever waits for this very file sees below that it is gone.
    ::unlink(path_.c_str());
    ::close(fd_);
  }

  bool held() const { return fd_ >= 0; }

 private:
  // False: the file was removed by its holder between our opening and locking it.
  bool try_lock(const fs::path& target) {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) throw refused(errno, "create this lock file", path_);
    int code = 0;
    do {
      code = ::flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    } while (code == EINTR);
    if (code == EWOULDBLOCK) {
      ::close(fd);
      throw Error(ErrorKind::usage, fmt::format("another run is writing to '{}'", target.string()))
          .hint("wait for it, or choose another name");
    }
    if (code != 0) {  // a file system without locks
      ::unlink(path_.c_str());
      ::close(fd);
      return true;
    }
    struct stat ours {
    }, there{};
    if (::fstat(fd, &ours) == 0 && ::stat(path_.c_str(), &there) == 0 &&
        ours.st_ino == there.st_ino && ours.st_dev == there.st_dev) {
      fd_ = fd;
      return true;
    }
    ::close(fd);
    return false;
  }

  fs::path path_;
  int fd_ = -1;
};

OutputFolder::OutputFolder(const fs::path& target, bool single_file, bool resume)
    : target_(resolve_target(target)), single_file_(single_file) {
  const fs::path parent = target_.parent_path();
  const std::string prefix = hidden_prefix(target_);
  lock_ = std::make_unique<Lock>(parent / (prefix + "lock"), target);
  // Without locks another run may be at work in it.
  const auto unfinished = resume && lock_->held() ? unfinished_run(target_) : std::nullopt;
  if (lock_->held()) remove_leftovers(target_, unfinished.value_or(""));
  if (unfinished) {
    path_ = *unfinished;
    resumed_ = keep_ = true;
    for (const fs::path& file : {journal(), factors(), factors_journal()}) remove_strange(file);
    for (const fs::path& file : {journal(), factors_journal()}) remove_torn(file);
  } else {
    path_ = make_folder(parent, prefix);
  }
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!path_.empty() && !keep_) fs::remove_all(path_, ignored);
}

fs::path OutputFolder::journal() const { return path_ / names::kJournal; }

fs::path OutputFolder::factors() const { return path_ / names::kFactors; }

fs::path OutputFolder::factors_journal() const { return path_ / names::kFactorsJournal; }

void OutputFolder::clear(const ShardPlan& weights, const ShardPlan& masks) const {
  std::vector<std::string> kept = {names::kJournal, names::kFactors, names::kFactorsJournal};
  for (const ShardPlan* plan : {&weights, &masks}) {
    for (const ShardPlan::File& file : plan->files) kept.push_back(file.name);
  }
  remove_all_but(path_, kept);
}

void OutputFolder::install(bool replace) {
  std::error_code ignored, failed;
  fs::remove(factors(), failed);
  if (failed) throw refused(failed.value(), "remove this file", factors());
  // From here on nothing is unfinished. Were a journal there while the folder changes its name, a
  // run killed in between would leave the replaced output looking like an unfinished one.
  for (const fs::path& file : {factors_journal(), journal()}) fs::remove(file, ignored);
  keep_ = false;
  if (!single_file_) {
    sync_folder(path_);
    merganser::install(path_, target_, replace);
    path_.clear();
    return;
  }
  fs::path weights;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (entry.path().extension() == ".safetensors") weights = entry.path();
  }
  const fs::path provenance = path_ / names::kProvenance, beside = provenance_beside(target_);
  if (!replace && fs::exists(fs::symlink_status(beside, ignored))) {
    throw Error(ErrorKind::usage, "the output's provenance exists already")
        .in_file(beside.string());
  }
  merganser::install(weights, target_, replace);
  if (fs::exists(provenance, ignored)) merganser::install(provenance, beside, replace);
}

fs::path provenance_of(const fs::path& output, bool single_file) {
  return single_file ? provenance_beside(output) : output / names::kProvenance;
}

fs::path provenance_beside(const fs::path& file) {
  fs::path stem = file;
  if (stem.extension() == ".safetensors") stem.replace_extension();
  return stem += ".merganser.json";
}

}  // namespace merganser
