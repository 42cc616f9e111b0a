#include "layout/leftovers.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "layout/names.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::array kJournals = {names::kJournal, names::kFactorsJournal};

// PID-COUNT, as OutputFolder makes them; not the lock, nor what belongs to a target whose name
// begins like this one.
bool is_run_number(std::string_view tail) {
  const auto dash = tail.find('-');
  if (dash == tail.npos || dash == 0 || dash + 1 == tail.size()) return false;
  return tail.find_first_not_of("0123456789", dash + 1) == tail.npos &&
         tail.find_first_not_of("0123456789") == dash;
}

}  // namespace

std::string hidden_prefix(const fs::path& target) {
  std::string name = target.filename().string();
  if (name.size() > 200) {
    name = fmt::format("{}-{:016x}", name.substr(0, 150), hash64(name));
  }
  return fmt::format(".{}.merganser-", name);
}

std::vector<fs::path> leftovers(const fs::path& target) {
  const std::string prefix = hidden_prefix(target);
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code code;
  for (fs::directory_iterator at(target.parent_path(), code), end; !code && at != end;
       at.increment(code)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(prefix) || !is_run_number(std::string_view(name).substr(prefix.size()))) {
      continue;
    }
    fs::file_time_type used = fs::file_time_type::min();
    for (const char* journal : kJournals) {
      std::error_code unknown;
      const fs::file_time_type written = fs::last_write_time(at->path() / journal, unknown);
      if (!unknown) used = std::max(used, written);
    }
    found.emplace_back(used, at->path());
  }
  std::ranges::sort(found, [](const auto& a, const auto& b) { return a > b; });
  std::vector<fs::path> paths;
  for (auto& [used, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::optional<fs::path> unfinished_run(const fs::path& target) {
  for (fs::path& path : leftovers(target)) {
    std::error_code code;
    // Neither may be a link: what is there would be written through it.
    if (fs::is_directory(fs::symlink_status(path, code)) &&
        std::ranges::any_of(kJournals, [&](const char* journal) {
          return fs::is_regular_file(fs::symlink_status(path / journal, code)) &&
                 is_begun(path / journal);
        })) {
      return path;
    }
  }
  return std::nullopt;
}

bool is_begun(const fs::path& journal) try {
  constexpr std::uint64_t most = 256 << 20;  // bytes that are looked at; longer is no such line
  constexpr std::uint64_t piece = 64 << 10;
  const InputFile file(journal);
  const std::uint64_t end = std::min(file.size(), most);
  std::vector<std::byte> bytes;
  for (std::uint64_t at = 0; at < end; at += bytes.size()) {
    bytes.resize(static_cast<std::size_t>(std::min(piece, end - at)));
    file.read(at, bytes);
    if (std::ranges::find(bytes, std::byte{'\n'}) != bytes.end()) return true;
  }
  return false;
} catch (const Error&) {  // whoever reads it says what is wrong
  return true;
}

std::uint64_t leftover_bytes(const fs::path& target) {
  std::uint64_t bytes = 0;
  for (const fs::path& folder : leftovers(target)) {
    std::error_code code;
    for (fs::recursive_directory_iterator at(folder, code), end; !code && at != end;
         at.increment(code)) {
      struct stat status {};
      constexpr std::uint64_t block = 512;  // of st_blocks, whatever the file system's own
      if (::lstat(at->path().c_str(), &status) == 0) {
        bytes += static_cast<std::uint64_t>(status.st_blocks) * block;
      }
    }
  }
  return bytes;
}

}  // namespace merganser
