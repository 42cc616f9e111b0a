#include "checkpoint/hub_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCommit = 40, kSha256 = 64;  // hex digits
constexpr std::size_t kLongestName = 96;           // the hub's own limit
constexpr std::uint64_t kLargestRef = 4096;        // bytes

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](unsigned char c) { return std::isdigit(c) || (c >= 'a' && c <= 'f'); });
}

// Letters, digits, '-', '_' and '.', but not "." and "..".
bool is_plain(std::string_view part) {
  return !part.empty() && part.size() <= kLongestName && part.front() != '.' &&
         part.front() != '-' && std::ranges::all_of(part, [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

// Branches may hold slashes ("refs/pr/1"), but none leads out of the folder.
bool is_revision(std::string_view revision) {
  const std::vector<std::string_view> parts = split(revision, '/');
  return std::ranges::all_of(parts, [](std::string_view part) { return is_plain(part); });
}

fs::path from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? fs::path() : fs::path(value);
}

// A commit from its beginning, where only one snapshot has it.
std::string complete(const fs::path& snapshots, const std::string& digits) {
  constexpr std::size_t fewest = 7;
  if (digits.size() < fewest || digits.size() > kCommit || !is_hex(digits)) return "";
  std::string found;
  std::error_code code;
  for (fs::directory_iterator at(snapshots, code), end; !code && at != end; at.increment(code)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(digits)) continue;
    if (!found.empty()) return "";
    found = name;
  }
  return found;
}

}  // namespace

fs::path hub_cache() {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const fs::path place = from_environment(variable); !place.empty()) return place;
  }
  if (const fs::path home = from_environment("HF_HOME"); !home.empty()) return home / "hub";
  const fs::path rest = fs::path("huggingface") / "hub";
  if (const fs::path cache = from_environment("XDG_CACHE_HOME"); !cache.empty()) {
    return cache / rest;
  }
  const fs::path home = from_environment("HOME");
  return home.empty() ? home : home / ".cache" / rest;
}

bool is_hub_name(std::string_view name) {
  const std::vector<std::string_view> parts = split(name, '/');
  return parts.size() <= 2 &&
         std::ranges::all_of(parts, [](std::string_view part) { return is_plain(part); });
}

std::optional<HubSnapshot> find_in_cache(const fs::path& cache, const std::string& name,
                                         const std::string& revision) {
  if (cache.empty() || !is_hub_name(name)) return std::nullopt;
  HubSnapshot found{{}, name, revision.empty() ? "main" : revision, ""};
  if (!is_revision(found.revision)) return std::nullopt;
  std::string folder = "models--" + name;
  if (const auto slash = folder.find('/'); slash != folder.npos) folder.replace(slash, 1, "--");
  const fs::path repository = cache / folder, ref = repository / "refs" / found.revision;
  std::error_code code;
  if (fs::is_regular_file(ref, code)) {
    std::string text = read_text(ref, kLargestRef);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    if (text.size() != kCommit || !is_hex(text)) {
      throw Error(ErrorKind::corrupt, "this should hold a commit, 40 hex digits")
          .in_file(ref.string())
          .hint(fmt::format("download it again: {}", download_command(name, revision)));
    }
    found.commit = std::move(text);
  } else {
    found.commit = complete(repository / "snapshots", found.revision);
  }
  found.path = repository / "snapshots" / found.commit;
  if (found.commit.empty() || !fs::is_directory(found.path, code)) return std::nullopt;
  return found;
}

std::string download_command(std::string_view name, std::string_view revision) {
  if (revision.empty()) return fmt::format("hf download {}", name);
  return fmt::format("hf download {} --revision {}", name, revision);
}

std::vector<std::pair<std::string, std::string>> blob_hashes(const std::vector<fs::path>& files) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const fs::path& file : files) {
    std::error_code code;
    const fs::path blob = fs::read_symlink(file, code);
    if (code || blob.parent_path().filename() != "blobs") continue;
    std::string hash = blob.filename().string();
    if (hash.size() == kSha256 && is_hex(hash)) {
      found.emplace_back(file.filename().string(), std::move(hash));
    }
  }
  return found;
}

}  // namespace merganser
